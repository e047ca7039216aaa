"""The charset that an HTML page declares in its own bytes.

This is the prescan of the HTML standard (section 13.2.3.2): ``<meta charset>``,
``<meta http-equiv="content-type">``, then an XML declaration. The standard's parser also follows a
declaration that the prescan of 1,024 bytes does not reach, so the whole head is looked at here.
"""

import re

_PRESCANNED = 64 * 1024
"""Bytes that are looked at."""
_MARKUP = re.compile(
    rb"<!--(?:-?>|.*?(?:--!?>|\Z))"
    rb"|<(script|style|title|textarea)(?=[\s/>]).*?(?:</\1(?=[\s/>])|\Z)"
    rb"|<(meta)(?=[\s/])|<(body)(?=[\s/>])|</?[a-z][^\s>]*|<[!/?][^>]*>?",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    rb"[\s/]*+(=?[^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+))?)?+"
)
_CHARSET = re.compile(rb"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.IGNORECASE)
_XML = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.DOTALL)
_XML_UTF16 = {b"<\0?\0x\0": "utf-16le", b"\0<\0?\0x": "utf-16be"}
_NOT_IN_ASCII = ("utf-16", "utf-16le", "utf-16be", "unicode", "ucs-2", "iso-10646-ucs-2")
"""Labels that no page can have whose declaration was read as ASCII: it is UTF-8."""


def declared_charset(page: bytes) -> str | None:
    """The label of the charset that an HTML or XHTML page declares. None where it declares none."""
    head = page[:_PRESCANNED]
    if head[:6] in _XML_UTF16:
        return _XML_UTF16[head[:6]]
    label = _in_meta(head)
    if label is not None and label.lower() == "x-user-defined":
        return "windows-1252"  # as the standard has it for a page, which cannot mean the other
    label = label or _in_xml_declaration(head)
    if label is not None and label.lower() in _NOT_IN_ASCII:
        return "utf-8"
    return label


def _in_meta(head: bytes) -> str | None:
    position = 0
    while markup := _MARKUP.search(head, position):
        position = markup.end()
        if markup[3]:
            return None
        if markup[0][:2] in (b"<!", b"<?") or markup[1]:
            continue
        attributes, position = _attributes(head, position)
        if markup[2] and (label := _label(attributes)):
            return label
    return None


def _attributes(head: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """Attributes of the tag at ``position``, with names in lower case, and where they end."""
    found: dict[bytes, bytes] = {}
    while attribute := _ATTRIBUTE.match(head, position):
        if not attribute[1] and attribute.end() == position:
            break
        position = attribute.end()
        if not attribute[1]:
            break
        value = next((value for value in attribute.groups()[1:] if value is not None), b"")
        found.setdefault(attribute[1].lower(), value)
    return found, position


def _label(attributes: dict[bytes, bytes]) -> str | None:
    label = attributes.get(b"charset")
    if label is None and attributes.get(b"http-equiv", b"").strip().lower() == b"content-type":
        label = _value(_CHARSET.search(attributes.get(b"content", b"")))
    return _text(label)


def _in_xml_declaration(head: bytes) -> str | None:
    return _text(_value(_XML.match(head)))


def _value(match: re.Match[bytes] | None) -> bytes | None:
    return next((value for value in match.groups() if value is not None), None) if match else None


def _text(label: bytes | None) -> str | None:
    return label.decode("ascii", "replace").strip() or None if label is not None else None
