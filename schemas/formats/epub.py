"""EPUB: the pages of a book in the order in which they are read.

It is a ZIP archive of HTML. The libraries that read it have licences that forbid their use here, so
this follows https://www.w3.org/TR/epub-33/ as far as text needs it.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from schemas.errors import NotConverted, NotText
from schemas.formats.archives import check_size, opened
from schemas.formats.converted import Converted
from schemas.text import decode
from schemas.text.xhtml import with_end_tags

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_BODY = re.compile(r"<body\b[^>]*>(.*?)(?:</body\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_PREFIX = re.compile(r"(?<=<)(/?)[a-z_][\w.-]*:(?=[a-z])", re.IGNORECASE)
"""The prefix of an element's namespace, as in ``svg:text``, which HTML has none of."""
_NOTHING = re.compile(r"<(a|i|b|em|span)\b[^<>]*(?:/>|></\1>)", re.IGNORECASE)
"""One without content within a line, such as the mark of a page, which may stand within a word."""


class _Book(NamedTuple):
    title: str | None
    pages: list[str]
    """Names of files in the archive."""


def read_epub(data: bytes) -> Converted:
    """The text of an EPUB file. Raises NotConverted."""
    with opened(data, "an EPUB file") as archive:
        names = set(archive.namelist())
        book = _book(archive)
        present = [name for name in book.pages if name in names]
        if not present:
            raise NotConverted("an EPUB file without pages; fetch it again")
        _check_encryption(archive, names, present)
        check_size(archive, present)
        blocks, unread = [], len(book.pages) - len(present)
        for name in present:
            try:
                page = _PREFIX.sub(r"\1", decode(archive.read(name), None, "text/html"))
            except NotText:
                unread += 1
                continue
            body = _BODY.search(page)
            page = _NOTHING.sub("", body[1] if body else page)
            blocks.append(with_end_tags(page))
    warnings = (f"{unread:,} of {len(book.pages):,} pages cannot be read",) if unread else ()
    return Converted(blocks, book.title, warnings)


def _book(archive: zipfile.ZipFile) -> _Book:
    try:
        root = ElementTree.fromstring(archive.read(_CONTAINER))
        path = next(each.get("full-path") for each in _named(root, "rootfile")) or ""
        package = ElementTree.fromstring(archive.read(path))
    except KeyError as error:
        raise NotConverted(f"an EPUB file that is damaged ({error}); fetch it again") from error
    except (ElementTree.ParseError, StopIteration) as error:
        raise NotConverted(
            "an EPUB file whose list of pages cannot be read; fetch it again"
        ) from error
    folder = posixpath.dirname(path)
    files: dict[str, str] = {}
    for item in _named(package, "item"):
        navigation = "nav" in (item.get("properties") or "").split()
        if item.get("media-type") in _PAGES and not navigation:
            place = posixpath.join(folder, unquote(item.get("href") or "").partition("#")[0])
            files[item.get("id") or ""] = posixpath.normpath(place)
    pages = [files[id] for each in _named(package, "itemref") if (id := each.get("idref")) in files]
    title = next((each.text or "" for each in _named(package, "title")), "").strip()
    return _Book(title or None, list(dict.fromkeys(pages)))


def _check_encryption(archive: zipfile.ZipFile, names: set[str], pages: list[str]) -> None:
    """Raise NotConverted where pages are encrypted; fonts often are."""
    if _ENCRYPTION not in names:
        return
    try:
        root = ElementTree.fromstring(archive.read(_ENCRYPTION))
    except ElementTree.ParseError:
        return
    encrypted = {unquote(each.get("URI") or "") for each in _named(root, "CipherReference")}
    if encrypted.intersection(pages):
        raise NotConverted(
            "an EPUB file whose pages are encrypted, as digital rights management does"
        )


def _named(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Elements of a name in any namespace."""
    for each in root.iter():
        if isinstance(each.tag, str) and each.tag.rpartition("}")[2] == name:
            yield each
