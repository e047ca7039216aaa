"""PDF by pypdfium2: lines of text with their places and fonts, made blocks by ``pdf_layout``."""

import ctypes
import re
from statistics import median
from typing import Any, NamedTuple

from schemas.errors import NotConverted
from schemas.formats.converted import Converted, not_installed
from schemas.formats.pdf_layout import Line, Page, as_blocks

_MOST_PAGES = 20_000
_PASSWORD = 4
"""PDFium's code for a file that needs a password."""
_FIXED_PITCH = 1
"""Flag of a font whose characters are equally wide."""
_MONOSPACED = ("mono", "courier", "consol", "menlo", "typewriter", "cmtt", "fixed", "code")
"""Parts of the names of such fonts."""
_BOLD = 600
"""Least weight of a bold font."""
_BOLD_NAMES = ("bold", "black", "heavy", "demi", "cmbx")
_HYPHENS = "\x02\ufffe"
"""PDFium's characters for a hyphen at the end of a line."""
_LINE_END = re.compile("[\r\n\x02\ufffe]|\\Z")
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f\u00ad\ufffe\uffff]")
_GAP = 1.5
"""Width of white space between two cells, in heights of a line."""
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st"}


def read_pdf(data: bytes) -> Converted:
    """The text of a PDF file. Raises NotConverted."""
    try:
        import pypdfium2
    except ImportError as error:
        raise not_installed("PDF", "pypdfium2") from error
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD:
            raise NotConverted(
                "a PDF file that is encrypted with a password; remove it, as with qpdf --decrypt"
            ) from error
        raise NotConverted(f"a damaged PDF file ({error}); fetch it again") from error
    with document:
        return _read(document)


def _read(document: Any) -> Converted:
    import pypdfium2

    count = len(document)
    if count > _MOST_PAGES:
        raise NotConverted(f"{count:,} pages; at most {_MOST_PAGES:,} are read: split the file")
    pages: list[Page] = []
    unread = 0
    for number in range(count):
        try:
            pages.append(_page(document[number]))
        except pypdfium2.PdfiumError:
            unread += 1
    if not any(page.lines for page in pages):
        raise NotConverted(
            f"a PDF file without text in its {count:,} pages, as scans are; recognize the text "
            "first, as with ocrmypdf"
        )
    warnings = (f"{unread:,} of {count:,} pages cannot be read",) if unread else ()
    title = (document.get_metadata_dict(skip_empty=True).get("Title") or "").strip()
    return Converted(as_blocks(pages, _outline(document)), title or None, warnings)


def _outline(document: Any) -> dict[tuple[int, str], int]:
    """Levels of the bookmarks by their page and their title in lower case without white space."""
    import pypdfium2

    levels: dict[tuple[int, str], int] = {}
    try:
        for mark in document.get_toc(max_depth=6):
            to = mark.get_dest()
            page = to.get_index() if to else None
            if page is not None:
                title = "".join(mark.get_title().lower().split())
                levels.setdefault((page, title), mark.level + 1)
    except (pypdfium2.PdfiumError, ValueError, AttributeError):
        return levels
    return levels


class _Char(NamedTuple):
    """A character's box."""

    left: float
    right: float
    bottom: float
    top: float


def _page(page: Any) -> Page:
    height = page.get_height()
    read = page.get_textpage()
    text = _characters(read)
    lines: list[Line] = []
    start = 0
    for end_of_line in _LINE_END.finditer(text):
        at, mark = end_of_line.start(), end_of_line[0]
        if line := _line(read.raw, text, start, at, hyphen=mark > "" and mark in _HYPHENS):
            lines.append(line)
        start = at + 1
    read.close()
    page.close()
    return Page(height, lines)


def _characters(read: Any) -> str:
    """The text of a page, one character of it for each that PDFium counts."""
    import pypdfium2.raw as pdfium

    count = read.count_chars()
    text: str = read.get_text_range(errors="surrogatepass") if count else ""
    if len(text) != count:  # it leaves out what it has no character for
        text = "".join(chr(pdfium.FPDFText_GetUnicode(read.raw, at)) for at in range(count))
    return text


def _line(raw: Any, text: str, start: int, end: int, *, hyphen: bool) -> Line | None:
    """The line of the characters from ``start`` to ``end``; None for one without text."""
    import pypdfium2.raw as pdfium

    while start < end and text[start] <= " ":
        start += 1
    while start < end and text[end - 1] <= " ":
        end -= 1
    if start == end:
        return None
    first, last = _box(raw, start), _box(raw, end - 1)
    height = max(median(_size(raw, at) for at in (start, (start + end) // 2, end - 1)), 0.1)
    cells: list[tuple[float, str]] = []
    left, begin = first.left, start
    at = text.find(" ", start, end)
    while at > 0:
        if text[at + 1] != " " and _box(raw, at + 1).left - _box(raw, at - 1).right > _GAP * height:
            cells.append((left, _plain(text[begin:at])))
            left, begin = _box(raw, at + 1).left, at + 1
        at = text.find(" ", at + 1, end)
    cells.append((left, _plain(text[begin:end]) + ("-" if hyphen else "")))
    name, fixed = _font(raw, start)
    weight = pdfium.FPDFText_GetFontWeight(raw, start)
    found = tuple((x, part) for x, part in cells if part)
    if not found:
        return None
    return Line(
        cells=found,
        right=last.right,
        bottom=first.bottom,
        height=height,
        bold=weight >= _BOLD or any(part in name for part in _BOLD_NAMES),
        mono=fixed or any(part in name for part in _MONOSPACED),
        hyphen=hyphen,
    )


def _box(raw: Any, at: int) -> _Char:
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(raw, at, box)
    return _Char(box.left, box.right, box.bottom, box.top)


def _size(raw: Any, at: int) -> float:
    """The size of a character's font in points of the page."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFText_GetMatrix(raw, at, matrix):
        return 0.0
    scale = abs(matrix.a * matrix.d - matrix.b * matrix.c) ** 0.5
    return pdfium.FPDFText_GetFontSize(raw, at) * scale


def _font(raw: Any, at: int) -> tuple[str, bool]:
    """The name of a character's font in lower case, and whether its characters are equally wide."""
    import pypdfium2.raw as pdfium

    flags = ctypes.c_int()
    name = ctypes.create_string_buffer(128)
    size = pdfium.FPDFText_GetFontInfo(raw, at, name, len(name), flags)
    known = name.value.decode("ascii", "replace").lower() if 0 < size <= len(name) else ""
    return known, bool(flags.value & _FIXED_PITCH)


def _plain(text: str) -> str:
    """Characters as text, without controls, in which ligatures are letters."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _CONTROLS.sub("", text).translate(_LIGATURES).strip()
