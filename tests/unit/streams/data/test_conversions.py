"""PDF, DOCX, EPUB and reStructuredText as documents; what cannot be read; the child process."""

import io
import os
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents.segmenter import Passage, Segmenter
from schemas.errors import NotConverted, SourceError
from schemas.formats.pdf_layout import Line, Page, as_blocks
from schemas.records import Document
from schemas.text import Warned
from schemas.wire import MAX_BYTES
from streams.data.sources import Converter, read
from tests.unit.made_files import SENTENCE, TextAt, archive, docx, epub, pdf

Read = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def converter() -> Any:
    with Converter() as one:
        yield one


@pytest.fixture
def reading(tmp_path: Path, converter: Converter) -> Read:
    """Reads bytes as a file of a name."""

    def read_file(name: str, data: bytes | str) -> list[Any]:
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return list(read(path, converter=converter))

    return read_file


def passages(document: Document) -> list[Passage]:
    return Segmenter().passages(document)


def error_of(found: list[Any]) -> str:
    (error,) = found
    assert isinstance(error, SourceError), error
    return str(error)


def prose(top: float, left: float = 72, lines: int = 12, size: float = 10) -> list[TextAt]:
    """A paragraph, line by line, down from ``top``."""
    return [(left, top - 12 * number, size, 1, SENTENCE) for number in range(lines)]


class TestPdf:
    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("pypdfium2")

    def test_headings_paragraphs_lists_tables_and_code(self, reading: Read) -> None:
        data = pdf(
            [
                (72, 760, 20, 2, "Canal locks"),
                *prose(720),
                (72, 560, 14, 2, "Paddles"),
                (
                    72,
                    536,
                    10,
                    1,
                    "They come in two kinds, which are used in different places, as fol-",
                ),
                (72, 524, 10, 1, "lows:"),
                (84, 500, 10, 1, "• ground paddles"),
                (84, 488, 10, 1, "• gate paddles"),
                (72, 460, 10, 2, "Name"),
                (200, 460, 10, 2, "Width"),
                (72, 448, 10, 1, "narrow"),
                (200, 448, 10, 1, "2 m"),
                (72, 436, 10, 1, "broad"),
                (200, 436, 10, 1, "4 m"),
                (72, 400, 10, 3, "def lock():"),
                (96, 388, 10, 3, "return gate"),
            ],
            title="A handbook",
        )
        (document,) = reading("book.pdf", data)
        assert (document.media_type, document.title) == ("text/html", "A handbook")
        for part in (
            "<h1>Canal locks</h1>",
            f"<p>{' '.join([SENTENCE] * 12)}</p>",
            "<h2>Paddles</h2>",
            "different places, as follows:</p>",
            "<ul><li>ground paddles</li><li>gate paddles</li></ul>",
            "<tr><td>narrow</td><td>2 m</td></tr><tr><td>broad</td><td>4 m</td></tr></table>",
            "<pre>def lock():\n    return gate</pre>",
        ):
            assert part in document.text
        assert [each.headings for each in passages(document)] == [
            ("Canal locks",),
            ("Canal locks", "Paddles"),
        ]

    def test_running_heads_and_page_numbers_are_left_out(self, reading: Read) -> None:
        pages = [
            [
                (72, 800, 9, 1, f"Handbook of locks, chapter {number}"),
                *prose(600, lines=3),
                (300, 40, 9, 1, f"{number}"),
            ]
            for number in range(1, 5)
        ]
        (document,) = reading("book.pdf", pdf(*pages))
        assert "Handbook" not in document.text
        assert document.text.count(SENTENCE) == 12
        assert not any(f"{number} {SENTENCE}" in document.text for number in range(1, 5))

    def test_a_paragraph_goes_on_in_the_next_column(self, reading: Read) -> None:
        first = [(72, 700 - 12 * i, 10, 1, "A line that is in the first column") for i in range(5)]
        second = [(320, 700 - 12 * i, 10, 1, "and goes on in the second one") for i in range(5)]
        (document,) = reading("book.pdf", pdf([*first, *second]))
        assert document.text.count("<p>") == 1

    def test_contents_tables_and_notes_are_left_out(self, reading: Read) -> None:
        page = [
            (72, 750, 10, 1, "1.1 Gates . . . . . . . . . . . . . . 12"),
            (72, 735, 10, 1, "2 Paddles ......................... 13"),
            *prose(700),
            (72, 120, 7, 1, "1 A note of the translator."),
        ]
        (document,) = reading("book.pdf", pdf(page))
        assert document.text == f"<p>{' '.join([SENTENCE] * 12)}</p>"

    def test_bookmarks_are_headings(self, reading: Read) -> None:
        page = [(72, 700, 10, 1, "1 The gate"), *prose(670)]
        (document,) = reading("book.pdf", pdf(page, bookmarks=[(0, "1 The gate")]))
        assert document.text.startswith("<h1>1 The gate</h1>")

    def test_what_cannot_be_read_is_said(self, reading: Read) -> None:
        whole = pdf(prose(700))
        assert "a damaged PDF file" in error_of(reading("book.pdf", b"%PDF-1.4\nno more"))
        assert "the file is empty" in error_of(reading("book.pdf", b""))
        assert "without text in its 1 pages, as scans are" in error_of(reading("book.pdf", pdf([])))
        assert "--format pdf" in error_of(reading("book.txt", whole))
        for cut in range(20, len(whole), 97):
            assert reading("book.pdf", whole[:cut])

    def test_a_file_with_a_password_is_said_to_have_one(self, reading: Read) -> None:
        encrypted = pdf(prose(700)).replace(
            b"trailer << ",
            b"trailer << /ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /Length 40 /P -4 "
            b"/O <" + b"ab" * 32 + b"> /U <" + b"cd" * 32 + b"> >> ",
        )
        assert "encrypted with a password" in error_of(reading("book.pdf", encrypted))

    def test_chapters_that_begin_pages_are_no_running_heads(self, reading: Read) -> None:
        pages = [[(72, 780, 20, 2, f"Chapter {number}"), *prose(700)] for number in range(5)]
        (document,) = reading("book.pdf", pdf(*pages))
        assert document.text.count("<h1>Chapter ") == 5


def test_lines_of_scripts_without_spaces_are_joined_without_them() -> None:
    lines = [
        Line(((72, text),), 500, 700 - 12 * number, 10)
        for number, text in enumerate(("水門は、船を", "持ち上げる。It is", "a lock."))
    ]
    assert as_blocks([Page(842, lines)], {}) == ["<p>水門は、船を持ち上げる。It is a lock.</p>"]


class TestDocx:
    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("mammoth")

    def test_styles_are_structure(self, reading: Read) -> None:
        data = docx(
            ("Title", "Canal locks"),
            ("toc 1", "Paddles 3"),
            ("heading 2", "Paddles"),
            ("Normal", SENTENCE * 6),
            ("Source Code", "def lock():"),
            ("Source Code", "    return <gate>"),
            table=[["narrow", "2 m"], ["broad", "4 m"]],
            title="A handbook",
        )
        (document,) = reading("book.docx", data)
        assert (document.media_type, document.title) == ("text/html", "A handbook")
        assert "<pre>def lock():\n    return &lt;gate&gt;</pre>" in document.text
        assert "Paddles 3" not in document.text
        (passage,) = [each for each in passages(document) if SENTENCE in each.text]
        assert passage.headings == ("Canal locks", "Paddles")
        assert passage.text.endswith("narrow | 2 m\nbroad | 4 m")

    def test_hidden_text_is_left_out(self, reading: Read) -> None:
        data = docx(("Normal", SENTENCE * 6), ("Normal", "a draft"), ("Normal", "the end"))
        with zipfile.ZipFile(io.BytesIO(data)) as written:
            files = {name: written.read(name) for name in written.namelist()}
        text = files["word/document.xml"]
        mark = b'<w:t xml:space="preserve">a draft'
        assert mark in text
        files["word/document.xml"] = text.replace(mark, b"<w:rPr><w:b/><w:vanish/></w:rPr>" + mark)
        (document,) = reading("book.docx", archive(files))
        assert SENTENCE in document.text
        assert "the end" in document.text
        assert "a draft" not in document.text

    def test_formulas_are_text(self, reading: Read) -> None:
        data = docx(("Normal", SENTENCE * 6), ("Normal", "It is HERE."), ("Normal", "BELOW"))
        with zipfile.ZipFile(io.BytesIO(data)) as written:
            files = {name: written.read(name) for name in written.namelist()}
        formula = (
            b"<m:oMath><m:r><m:rPr/><m:t>v&lt;</m:t></m:r><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num>"
            b"<m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath>"
        )
        paragraph = b"<m:oMathPara><m:oMathParaPr><m:jc/></m:oMathParaPr>%b</m:oMathPara>" % formula
        text = files["word/document.xml"].replace(b"<w:document", b'<w:document xmlns:m="m"')
        end, begin = b"</w:t></w:r>", b"<w:r><w:t>"
        text = text.replace(b"HERE.", end + formula + begin + b".")
        text = text.replace(b"BELOW", end + paragraph + begin)
        files["word/document.xml"] = text
        (document,) = reading("book.docx", archive(files))
        assert document.text.endswith("<p>It is v&lt;1/2.</p><p>v&lt;1/2</p>")

    def test_what_cannot_be_read_is_said(self, reading: Read) -> None:
        assert "that is damaged" in error_of(
            reading("a.docx", archive({"word/document.xml": "<no"}))
        )
        assert "that is damaged" in error_of(reading("a.docx", docx(("Normal", "x"))[:-30]))
        assert "encrypted, or of an old" in error_of(
            reading("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
        )
        bomb = archive({"word/document.xml": bytes(300_000_000)})
        assert len(bomb) < 1_000_000
        assert "300,000,000 bytes when decompressed, over the limit" in error_of(
            reading("a.docx", bomb)
        )


class TestEpub:
    def test_pages_in_their_order(self, reading: Read) -> None:
        pages: dict[str, str | bytes] = {
            "b one.xhtml": "",
            "z.xhtml": f"<h1>Locks</h1><p>{SENTENCE * 8}</p>",
            "a.xhtml": f'<h1>Gates</h1><p id="x"/><p>{SENTENCE * 9}</p>',
        }
        (document,) = reading("book.epub", epub(pages, "A handbook"))
        assert document.title == "A handbook"
        assert "All of the contents" not in document.text
        assert [each.headings for each in passages(document)] == [("Locks",), ("Gates",)]

    def test_types_of_epub_and_namespaces(self, reading: Read) -> None:
        page = (
            f"<h1>Locks</h1><p>{SENTENCE * 8}The wa<span epub:type='pagebreak' title='8'/>ter"
            " rises<a epub:type='noteref' href='#n'>9</a>.<em>\n<span epub:type='pagebreak'>Page 8"
            "</span></em> <h:b xmlns:h='x'>It falls.</h:b></p><section epub:type='endnotes'>"
            f"<p>{SENTENCE * 8}</p></section><s:svg xmlns:s='x'><s:text>Drawn</s:text></s:svg>"
            "<aside epub:type='footnote' id='n'>A note</aside>"
        )
        (document,) = reading("book.epub", epub({"a.xhtml": page}))
        (passage,) = passages(document)
        assert passage.text == f"{SENTENCE * 8}The water rises. It falls."

    def test_pages_that_are_missing_or_binary_are_counted(self, reading: Read) -> None:
        data = epub({"a.xhtml": f"<p>{SENTENCE}</p>", "b.xhtml": b"\0\1\2" * 100})
        document, warning = reading("book.epub", data)
        assert SENTENCE in document.text
        assert isinstance(warning, Warned)
        assert "1 of 2 pages cannot be read" in warning.message

    def test_long_books_are_several_documents(self, reading: Read) -> None:
        pages = {f"{i}": f"<h1>Chapter {i}</h1><p>{SENTENCE * 1000}</p>" for i in range(60)}
        found = reading("book.epub", epub(dict(pages)))
        assert [each.source[-11:] for each in found] == [
            "book.epub#1",
            "book.epub#2",
            "book.epub#3",
        ]
        assert all(each.text.startswith("<h1>Chapter ") for each in found)
        assert sum(each.text.count(SENTENCE) for each in found) == 60_000

    def test_what_cannot_be_read_is_said(self, reading: Read) -> None:
        pages = {"a.xhtml": SENTENCE}
        encrypted = '<e><CipherReference URI="OPS/{}"/></e>'
        found = reading("a.epub", epub(pages, **{"META-INF/encryption.xml": encrypted.format("f")}))
        assert isinstance(found[0], Document)
        found = reading(
            "a.epub", epub(pages, **{"META-INF/encryption.xml": encrypted.format("a.xhtml")})
        )
        assert "digital rights management" in error_of(found)
        assert "that is damaged" in error_of(reading("a.epub", archive({"a": "b"})))
        assert "that is damaged" in error_of(reading("a.epub", b"no archive"))
        assert "without pages" in error_of(reading("a.epub", epub({})))
        bad = archive({"META-INF/container.xml": '<c><rootfile full-path="x"/></c>', "x": "<no"})
        assert "list of pages cannot be read" in error_of(reading("a.epub", bad))
        bomb = (
            '<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa">'
            + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(12))
            + "]><c>&m;</c>"
        )
        assert "cannot be read" in error_of(
            reading("a.epub", archive({"META-INF/container.xml": bomb}))
        )


class TestRst:
    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("docutils")

    def test_what_sphinx_adds(self, reading: Read) -> None:
        text = f"""\
.. _locks:

Canal locks
===========

:Author: me

See :ref:`paddles`, :func:`~os.path.join` and :term:`the gate <gate>`. {SENTENCE} a\\\\\\*b

.. toctree::
   :maxdepth: 2

   others

.. code-block:: python
   :linenos:

   def lock():
       return 1

.. function:: spam(eggs)
              ham(eggs)

   Opens it.

   .. versionadded:: 3.5
      The eggs.

.. only:: not latex

   Always.

.. unknown-thing::
   :colour: red

   What it holds.

.. _paddles:

The paddles
-----------

====== =====
Name   Width
====== =====
narrow 2 m
====== =====

.. include:: /etc/hostname
.. raw:: html

   <script>
"""
        document, warning = reading("book.rst", text)
        assert "1 include directive not followed: name the included files" in warning.message
        for part in (
            "<h1>Canal locks</h1>",
            "See The paddles, join and the gate.",
            "<pre>def lock():\n    return 1</pre>",
            "<dt>spam(eggs)</dt><dt>ham(eggs)</dt><dd><p>Opens it.</p>"
            "<p>New in version 3.5: The eggs.</p></dd>",
            "<p>Always.</p>",
            "<p>What it holds.</p>",
            "a\\*b",
            "<h2>The paddles</h2>",
            "<td><p>narrow</p></td><td><p>2 m</p></td>",
        ):
            assert part in document.text, part
        for part in ("others", "red", "script", "Author", Path("/etc/hostname").read_text()):
            assert part not in document.text

    def test_malformed_text_is_read_all_the_same(self, reading: Read) -> None:
        text = "Title\n==\n\n*open\n\n.. note\n\n|sub|_ `x`_ :no-role:`a` [1]_\n\n====\n a\n"
        (document,) = reading("a.rst", text)
        assert "open" in document.text
        assert "is not UTF-8" not in document.text
        assert "not UTF-8" in error_of(reading("a.rst", "déjà vu".encode("latin-1")))

    def test_deep_nesting_is_an_error(self, reading: Read) -> None:
        text = "\n\n".join(f"{'  ' * depth}- x" for depth in range(400))
        found = reading("a.rst", text)
        assert len(found) == 1


def test_a_library_that_is_missing_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from schemas.formats import convert

    for format, library in (("pdf", "pypdfium2"), ("docx", "mammoth"), ("rst", "docutils")):
        monkeypatch.setitem(__import__("sys").modules, library, None)
        monkeypatch.setitem(__import__("sys").modules, f"{library}.core", None)
        with pytest.raises(NotConverted, match=f"{library}, .* pip install {library}"):
            convert(format, b"data")


class TestConverter:
    def test_time_is_bounded_and_the_next_file_is_read(self) -> None:
        pages = {f"{number}.xhtml": SENTENCE * 20_000 for number in range(20)}
        with Converter(seconds=0.05) as converter:
            with pytest.raises(NotConverted, match=r"longer than 0\.05 s of CPU"):
                converter.convert("epub", epub(dict(pages)))
            with pytest.raises(NotConverted, match="damaged"):
                converter.convert("epub", b"x")

    def test_a_death_is_an_error_of_its_file(self) -> None:
        before = set(psutil.Process().children())
        with Converter() as converter:
            with pytest.raises(NotConverted, match="damaged"):
                converter.convert("epub", b"x")
            (child,) = set(psutil.Process().children()) - before
            os.kill(child.pid, signal.SIGKILL)
            with pytest.raises(NotConverted, match="ended with status -9"):
                converter.convert("epub", b"x" * 1_000_000)
            assert converter.convert("epub", epub({"a": "text"})).blocks
        assert set(psutil.Process().children()) == before

    def test_too_large_a_file_is_refused(self, tmp_path: Path) -> None:
        with (tmp_path / "a.pdf").open("wb") as file:
            file.truncate(128 * 1024 * 1024 + 1)
        assert "over the limit" in error_of(list(read(tmp_path / "a.pdf")))

    def test_a_block_that_fits_no_document_is_said(self, reading: Read) -> None:
        found = reading("a.epub", epub({"a": "x" * (MAX_BYTES + 1)}))
        assert "over the limit" in error_of(found)
