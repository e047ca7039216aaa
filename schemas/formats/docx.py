"""DOCX by mammoth, which makes HTML of the styles of a document."""

import io
import re
import zipfile
from xml.etree import ElementTree

from schemas.errors import NotConverted
from schemas.formats.archives import check_size, opened
from schemas.formats.converted import Converted, not_installed

_STYLES = "\n".join(
    (
        *(
            f"p[style-name='{name}'] => pre:separator('\\n')"
            for name in ("Code", "Source Code", "HTML Preformatted", "Preformatted Text", "Listing")
        ),
        "p[style-name='Title'] => h1:fresh",
        "p[style-name='Subtitle'] => p:fresh",
        "p[style-name^='toc'] => !",
        "p[style-name^='TOC'] => !",
        "p[style-name='table of figures'] => !",
        "p[style-name^='index '] => !",
        "r[style-name='Footnote Reference'] => !",
        "r[style-name='footnote reference'] => !",
        "r[style-name='Endnote Reference'] => !",
        "r[style-name='endnote reference'] => !",
    )
)
"""What stands for a style beside mammoth's own map, which knows headings and lists."""
_NOTES = re.compile(r'<ol>\s*<li id="(?:foot|end)note-.*\Z', re.DOTALL)
"""The notes, which mammoth writes at the end."""
_BLOCKS = re.compile(r"(?=<h[1-6]\b)")
_RUN = re.compile(rb"<w:r(?:\s[^>]*)?>(?:(?!<w:r[\s>]).)*?</w:r>", re.DOTALL)
_HIDDEN = re.compile(rb"<w:vanish\s*(?:w:val=\"(?:1|true|on)\"\s*)?/>")
_FORMULA = re.compile(rb"<m:oMath(?:\s[^>]*)?>((?:(?!<m:oMath[\s>]).)*?)</m:oMath>", re.DOTALL)
_AROUND_FORMULAS = re.compile(
    rb"</?m:oMathPara(?:\s[^>]*)?>|<m:oMathParaPr>(?:(?!<m:oMathParaPr>).)*?</m:oMathParaPr>",
    re.DOTALL,
)
_IN_FORMULA = re.compile(rb"<m:t(?:\s[^>]*)?>([^<]*)</m:t>|<m:(den|sub|sup)>")
_SIGNS = {b"den": b"/", b"sub": b"_", b"sup": b"^"}
"""What a line of text has for a fraction, an index and a power."""
_READ = (".xml", ".rels")
_TEXT = "word/document.xml"
_CORE = "docProps/core.xml"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"


def read_docx(data: bytes) -> Converted:
    """The text of a DOCX file. Raises NotConverted."""
    try:
        import mammoth
    except ImportError as error:
        raise not_installed("DOCX", "mammoth") from error
    with opened(data, "a DOCX file") as archive:
        check_size(archive, (name for name in archive.namelist() if name.endswith(_READ)))
        title = _title(archive)
        data = _readable(archive) or data
    try:
        html = mammoth.convert_to_html(
            io.BytesIO(data),
            style_map=_STYLES,
            convert_image=lambda image: [],
            include_embedded_style_map=False,
        ).value
    except Exception as error:  # of the XML parser, and of mammoth on what it does not expect
        reason = f"{type(error).__name__}: {error}"
        raise NotConverted(f"a DOCX file that is damaged ({reason}); save it again") from error
    html = _NOTES.sub("", html)
    return Converted([block for block in _BLOCKS.split(html) if block], title)


def _readable(archive: zipfile.ZipFile) -> bytes | None:
    """A copy without its pictures and hidden text, with formulas as text; None: needs no copy.

    mammoth reads hidden text, and leaves formulas out.
    """
    if _TEXT not in archive.namelist():
        return None
    text = archive.read(_TEXT)
    shown = text
    if _HIDDEN.search(text):
        shown = _RUN.sub(lambda run: b"" if _HIDDEN.search(run[0]) else run[0], text)
    if b"<m:oMath" in text:
        shown = _FORMULA.sub(_as_run, _AROUND_FORMULAS.sub(b"", shown))
    if shown is text:
        return None
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as written:
        for name in archive.namelist():
            if name.endswith(_READ) and name != _TEXT:
                written.writestr(name, archive.read(name))
        written.writestr(_TEXT, shown)
    return copy.getvalue()


def _as_run(formula: re.Match[bytes]) -> bytes:
    parts = (_SIGNS.get(part[2], part[1]) for part in _IN_FORMULA.finditer(formula[1]))
    return b'<w:r><w:t xml:space="preserve">' + b"".join(parts) + b"</w:t></w:r>"


def _title(archive: zipfile.ZipFile) -> str | None:
    try:
        found = ElementTree.fromstring(archive.read(_CORE)).find(_TITLE)
    except (KeyError, ElementTree.ParseError, zipfile.BadZipFile, OSError):
        return None
    return (found.text or "").strip() or None if found is not None else None
