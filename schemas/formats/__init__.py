"""PDF, DOCX, EPUB, reStructuredText, manuals and AsciiDoc as HTML, which the segmenter reads.

The libraries that the first ones need are the extra ``formats``. Reading them takes time and memory
that their authors choose, so it belongs in a child process, as docs/decisions/0026 says.
"""

from schemas.errors import NotConverted, NotText
from schemas.formats.converted import Converted
from schemas.text import ContentType, decode

__all__ = ["CONVERTED", "FORMAT_TYPES", "Converted", "convert", "format_of_type"]

CONVERTED = ("pdf", "docx", "epub", "rst", "man", "asciidoc")
"""The formats."""
_TYPES = {
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/epub+zip": "epub",
    "text/x-rst": "rst",
    "text/prs.fallenstein.rst": "rst",
    "text/troff": "man",
    "application/x-troff-man": "man",
    "application/x-troff": "man",
    "text/asciidoc": "asciidoc",
    "text/x-asciidoc": "asciidoc",
}

FORMAT_TYPES = tuple(_TYPES)
"""Their content types."""


def format_of_type(content_type: str) -> str | None:
    """The format of a content type, or None."""
    return _TYPES.get(ContentType.of(content_type).media_type)


def convert(format: str, data: bytes, charset: str | None = None) -> Converted:
    """Make HTML of a document. ``charset`` is the protocol's label, for formats that are text.

    Raises NotConverted, and MemoryError.
    """
    match format:
        case "pdf":
            from schemas.formats.pdf import read_pdf

            return read_pdf(data)
        case "docx":
            from schemas.formats.docx import read_docx

            return read_docx(data)
        case "epub":
            from schemas.formats.epub import read_epub

            return read_epub(data)
    try:
        text = decode(data, charset)
    except NotText as error:
        # The names of manual pages end like those of libraries: libc.so.6.
        no_manual = format == "man" and not error.in_other_charset
        raise NotConverted(str(error), passed_over=no_manual) from error
    match format:
        case "rst":
            from schemas.formats.rst import read_rst

            return read_rst(text)
        case "man":
            from schemas.formats.manuals import read_manual

            return read_manual(text)
        case "asciidoc":
            from schemas.formats.asciidoc import read_asciidoc

            return read_asciidoc(text)
    raise ValueError(format)
