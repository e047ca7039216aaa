"""Small files of other formats, made byte by byte."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

SENTENCE = "The keeper opens the upper paddles slowly and waits until both levels are the same."
TextAt = tuple[float, float, float, int, str]
"""Left, bottom, size, number of the font (1 is Helvetica, 2 its bold, 3 Courier), and text."""
_FONTS = (b"Helvetica", b"Helvetica-Bold", b"Courier")


def pdf(
    *pages: Sequence[TextAt], title: str = "", bookmarks: Sequence[tuple[int, str]] = ()
) -> bytes:
    """A PDF file. A bookmark has the number of its page and a title."""
    objects: list[bytes] = []

    def add(content: bytes = b"") -> int:
        objects.append(content)
        return len(objects)

    catalog, tree, info, outlines = add(), add(), add(), add()
    fonts = b" ".join(
        b"/F%d %d 0 R"
        % (
            number,
            add(
                b"<< /Type /Font /Subtype /Type1 /BaseFont /%b /Encoding /WinAnsiEncoding >>" % name
            ),
        )
        for number, name in enumerate(_FONTS, start=1)
    )
    numbers = []
    for page in pages:
        content = b"".join(
            b"BT /F%d %g Tf %g %g Td (%b) Tj ET\n" % (font, size, x, y, _escaped(text))
            for x, y, size, font, text in page
        )
        stream = add(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content))
        numbers.append(
            add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
                b"/Resources << /Font << %b >> >> >>" % (tree, stream, fonts)
            )
        )
    first = len(objects) + 1
    for at, (page_number, name) in enumerate(bookmarks):
        following = b"/Next %d 0 R" % (first + at + 1) if at + 1 < len(bookmarks) else b""
        add(
            b"<< /Title (%b) /Parent %d 0 R /Dest [%d 0 R /Fit] %b >>"
            % (_escaped(name), outlines, numbers[page_number], following)
        )
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects[tree - 1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(numbers), kids)
    objects[info - 1] = b"<< /Title (%b) >>" % _escaped(title)
    marks = b"/Outlines %d 0 R" % outlines if bookmarks else b""
    objects[catalog - 1] = b"<< /Type /Catalog /Pages %d 0 R %b >>" % (tree, marks)
    objects[outlines - 1] = b"<< /First %d 0 R /Last %d 0 R /Count %d >>" % (
        first,
        first + len(bookmarks) - 1,
        len(bookmarks),
    )
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return data + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer << /Size %d /Root %d 0 R /Info %d 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (size, table, size, catalog, info, len(data))
    )


def _escaped(text: str) -> bytes:
    data = text.encode("cp1252")
    return data.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return data.getvalue()


_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def docx(
    *paragraphs: tuple[str, str], table: Sequence[Sequence[str]] = (), title: str = ""
) -> bytes:
    """A DOCX file of paragraphs with the names of their styles, and a table."""
    names = {style for style, _ in paragraphs}
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}">'
        f'<w:name w:val="{name}"/></w:style>'
        for name in names
    )
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style.replace(" ", "")}"/></w:pPr>'
        f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    rows = "".join(
        "<w:tr>"
        + "".join(f"<w:tc><w:p><w:r><w:t>{escape(cell)}</w:t></w:r></w:p></w:tc>" for cell in row)
        + "</w:tr>"
        for row in table
    )
    body += f"<w:tbl>{rows}</w:tbl>" if rows else ""
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{_MAIN}.document.main+xml"/>'
            f'<Override PartName="/word/styles.xml" ContentType="{_MAIN}.styles+xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="r1" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
            "word/styles.xml": f"<w:styles {_WORD}>{styles}</w:styles>",
            "word/document.xml": f"<w:document {_WORD}><w:body>{body}</w:body></w:document>",
            "docProps/core.xml": '<c:p xmlns:c="x" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>{escape(title)}</dc:title></c:p>",
        }
    )


def epub(pages: Mapping[str, str | bytes], title: str = "", **others: str) -> bytes:
    """An EPUB file of bodies of pages, in order, and of other files by their paths."""
    items = "".join(
        f'<item id="i{number}" href="{name}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(pages)
    )
    order = "".join(f'<itemref idref="i{number}"/>' for number in range(len(pages)))
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="OPS/package.opf"/></rootfiles></container>',
            "OPS/package.opf": '<package xmlns="http://www.idpf.org/2007/opf">'
            f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}'
            "</dc:title></metadata><manifest>"
            '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
            f'{items}</manifest><spine><itemref idref="nav"/>{order}</spine></package>',
            "OPS/nav.xhtml": "<html><body><p>All of the contents</p></body></html>",
            **{
                f"OPS/{name}": body
                if isinstance(body, bytes)
                else f"<html><head><title/></head><body>{body}</body></html>"
                for name, body in pages.items()
            },
            **others,
        }
    )
