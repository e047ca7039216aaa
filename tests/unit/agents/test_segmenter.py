"""The segmenter: passages by heading, the filters, and hostile pages."""

import json
from pydoc_data.topics import topics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from agents.passages.filters import Limits, data_share, letter_share, refuse, repetition
from agents.passages.html import read_html
from agents.passages.markdown import block_parser, read_markdown
from agents.passages.packing import pack
from agents.passages.plaintext import read_plain_text
from agents.passages.sections import Section
from agents.segmenter import Segmenter, SegmenterSettings
from schemas.ids import document_id, refused_parts_id, segment_id
from schemas.records import Document, Offset, Rejection, Segment

LIMITS = Limits(min_characters=600, max_characters=3000, max_repetition=0.3)
NAMES = (
    "river",
    "stone",
    "maple",
    "harbour",
    "candle",
    "meadow",
    "copper",
    "lantern",
    "orchard",
    "winter",
    "saddle",
)


def prose(characters: int, salt: int = 0) -> str:
    """Prose without repetition, of at least ``characters`` characters."""
    sentences: list[str] = []
    count = salt * 1000
    while sum(map(len, sentences)) + len(sentences) < characters:
        count += 1
        picks = [
            NAMES[(count * step + step * step) % len(NAMES)] + str(count % 97)
            for step in (1, 3, 5, 7, 11)
        ]
        sentences.append(
            f"The {picks[0]} near {picks[1]} is older than {picks[2]} while {picks[3]} keeps "
            f"{picks[4]} warm."
        )
    return " ".join(sentences)


def document(text: str, media_type: str = "text/plain", **fields: str) -> Document:
    return Document(
        id=document_id("a.txt", text), source="a.txt", text=text, media_type=media_type, **fields
    )


def shape(sections: list[Section]) -> list[tuple[tuple[str, ...], list[str]]]:
    return [(section.headings, section.blocks) for section in sections]


async def segments(text: str, media_type: str = "text/plain", **fields: str) -> list[Segment]:
    return [
        found
        for found in await Segmenter().handle(document(text, media_type, **fields))
        if isinstance(found, Segment)
    ]


async def reasons(text: str, media_type: str = "text/plain") -> list[str]:
    return [
        found.reason
        for found in await Segmenter().handle(document(text, media_type))
        if isinstance(found, Rejection)
    ]


class TestPlainText:
    def test_underlines_are_levels_in_order_of_appearance(self) -> None:
        text = (
            "Top\n***\n\nintro\n\nInner\n=====\n\none\n\ntwo\n\n"
            "Deep\n----\n\nthree\n\nSecond\n======\n\nfour\n"
        )
        assert shape(list(read_plain_text(text))) == [
            (("Top",), ["intro"]),
            (("Top", "Inner"), ["one", "two"]),
            (("Top", "Inner", "Deep"), ["three"]),
            (("Top", "Second"), ["four"]),
        ]

    def test_first_and_last_lines_that_pages_share_are_left_out(self) -> None:
        pages = [
            f"RFC 1    Locks   May 1999\n\nText {i}.\n\nSmith   [Page {i}]\n" for i in range(4)
        ]
        text = "\f\n".join(["Cover\n", *pages])
        assert shape(list(read_plain_text(text))) == [
            ((), ["Cover", *(f"Text {i}." for i in range(4))])
        ]
        assert shape(list(read_plain_text("One.\n\f\nTwo.\n"))) == [((), ["One.", "Two."])]

    def test_text_before_a_heading_and_overlines(self) -> None:
        text = "before\n\n=====\nTitle\n=====\n\nafter"
        assert shape(list(read_plain_text(text))) == [((), ["before"]), (("Title",), ["after"])]

    @pytest.mark.parametrize(
        "text",
        [
            "a paragraph of\ntwo lines\n---------\nmore",  # the line above is not a single line
            "short\n" + "-" * 60 + "\nmore",  # a much longer underline
            "-----\n-----\n-----\nrules",
            "---\n",
            "=====  =====\n a      b\n=====  =====\n",
        ],
    )
    def test_what_is_no_heading(self, text: str) -> None:
        assert all(section.headings == () for section in read_plain_text(text))

    def test_indentation_is_kept_and_line_ends_are_folded(self) -> None:
        assert shape(list(read_plain_text("a:\r\n\r\n    code\r\n      more\r\n"))) == [
            ((), ["a:", "    code\n      more"])
        ]

    def test_a_heading_that_repeats_the_title_is_left_out(self) -> None:
        assert next(read_plain_text("Title\n=====\n\ntext", "Title")).headings == ()


class TestMarkdown:
    def read(self, text: str) -> list[tuple[tuple[str, ...], list[str]]]:
        return shape(list(read_markdown(text, block_parser())))

    def test_atx_and_setext_headings(self) -> None:
        text = (
            "before\n\n# One *two* [three](https://x.example)\n\ntext\n\nSetext\n------\n\n- "
            "a\n- b\n\n# Next\n\nend\n"
        )
        assert self.read(text) == [
            ((), ["before"]),
            (("One two three",), ["text"]),
            (("One two three", "Setext"), ["- a\n- b"]),
            (("Next",), ["end"]),
        ]

    def test_hashes_in_code_are_no_headings_and_code_is_one_block(self) -> None:
        assert self.read("# A\n\n```\n# not\n\n# one\n```\n") == [
            (("A",), ["```\n# not\n\n# one\n```"])
        ]

    def test_front_matter_and_raw_html_are_left_out(self) -> None:
        assert self.read("---\ntitle: x\n---\n<p align=center>\nlogo\n</p>\n\n# A\n\ntext\n") == [
            (("A",), ["text"])
        ]

    def test_a_form_feed_does_not_shift_the_lines(self) -> None:
        assert self.read("a\x0cb\n\n# H\n\nc\u2028d\n")[1] == (("H",), ["c\u2028d"])

    def test_very_many_very_short_lines_are_read_as_plain_text(self) -> None:
        assert self.read("# A\n\n" + "- a\n" * 20_000)[0][0] == ()
        assert self.read("# A\n\n" + "- a longer item\n" * 20_000)[0][0] == ("A",)

    @pytest.mark.parametrize(
        "text", [">" * 5000, "- " * 5000, "[" * 5000, "# " + "[" * 5000, "`" * 5001, "|" * 5000]
    )
    def test_hostile_nesting_is_read(self, text: str) -> None:
        self.read(text)

    def test_a_text_with_too_many_lines_is_read_as_plain_text(self) -> None:
        assert self.read("# a\n" * 100_001)[0][0] == ()


class TestHtml:
    def read(self, html: str) -> list[tuple[tuple[str, ...], list[str]]]:
        return shape(list(read_html(html)))

    def test_text_under_each_heading(self) -> None:
        html = """<html><head><title>T</title><style>p {}</style></head>
        <body><p>intro &amp; more</p>
        <h1>One <b>bold</b><a href="#x">¶</a></h1><p>first<br>line</p><ul><li>a<li>b</ul>
        <h2>Two</h2><pre>  code\n    &lt;x&gt;</pre><h1>Three</h1>end</body></html>"""
        assert self.read(html) == [
            ((), ["intro & more"]),
            (("One bold",), ["first\nline", "- a\n- b"]),
            (("One bold", "Two"), ["  code\n    <x>"]),
            (("Three",), ["end"]),
        ]

    @pytest.mark.parametrize("hidden", ["&shy;", "\u00ad"])
    def test_a_soft_hyphen_may_be_all_of_a_text(self, hidden: str) -> None:
        assert self.read(f"<p>a<p>{hidden}<p>b<a href=x>{hidden}</a>") == [((), ["a", "b"])]

    @pytest.mark.parametrize(
        "name",
        ["script", "style", "nav", "header", "footer", "aside", "form", "template", "svg", "NAV"],
    )
    def test_what_surrounds_the_text_is_left_out(self, name: str) -> None:
        kept = prose(200)
        html = (
            f"<p>{kept}</p><{name} class='a>b'><p>gone <{name.lower()}x> "
            f"<h2>x</h2></p></{name}><p>also</p>"
        )
        assert self.read(html) == [((), [kept, "also"])]

    def test_a_header_inside_an_article_and_a_form_around_the_page_are_content(self) -> None:
        assert self.read("<article><header><h1>A</h1></header><p>x</p></article>") == [
            (("A",), ["x"])
        ]
        assert self.read("<form><h1>A</h1><p>text of the page</p></form>") == [
            (("A",), ["text of the page"])
        ]

    def test_an_element_that_is_never_closed_does_not_swallow_the_page(self) -> None:
        assert self.read("<nav><p>menu</p><h1>A</h1><p>x</p>") == [((), ["menu"]), (("A",), ["x"])]

    def test_tables_are_lines_of_cells(self) -> None:
        assert self.read(
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
        ) == [((), ["a | b\n1 | 2"])]

    def test_broken_markup(self) -> None:
        assert self.read("a < b <3 <a href='x>y</a> <!-- never closed <p>gone") == [
            ((), ["a < b <3 y"])
        ]
        assert self.read('<a title="1 > 0">link</a><!----><!-->x<script>"</p>"') == [
            ((), ["linkx"])
        ]
        assert self.read("<h1>never closed<p>text</p>") == [(("never closed",), ["text"])]

    def test_the_text_is_that_of_a_tree(self) -> None:
        html = "<body>" + "".join(
            f"<div class=c{i}><h2 id=h{i}>Head {i}</h2><p>{prose(200, i)} &lt;{i}&gt; "
            "<code>a&nbsp;b</code><p>next"
            "<ul><li>one<li><b><i>two</b></i></ul><aside>gone</aside>"
            "<table><tr><td>x</table><pre>\n a\n  b</pre></div>"
            for i in range(50)
        )
        tree = LexborHTMLParser(html)
        for node in tree.css("h2, aside"):
            node.decompose()
        assert tree.body is not None
        wanted = "".join(tree.body.text().replace("-", "").split())
        found = "".join(
            "".join(block for _, blocks in self.read(html) for block in blocks)
            .replace("-", "")
            .split()
        )
        assert found == wanted

    @pytest.mark.parametrize(
        "html",
        [
            "<div>" * 100_000 + "deep",
            "<ul><li>" * 100_000 + "deep",
            "".join(f"<font color={i}>" for i in range(500)) + "<p>deep</p>" * 10_000,
            "<nav><aside><form>" * 30_000 + "deep",
            "<script></script>" * 50_000 + "deep",
            '<a ">"' * 50_000 + "deep",
            "<br> " * 100_000 + "deep",
            "<" * 500_000 + "deep",
        ],
        ids=["div", "list", "font", "skipped", "script", "quotes", "spaces", "signs"],
    )
    def test_hostile_pages_are_read_at_once(self, html: str) -> None:
        """A tree, or a scan of the rest of the page for each tag, takes minutes and gigabytes."""
        assert any("deep" in block for _, blocks in self.read(html) for block in blocks)

    def test_a_character_reference_of_any_length_is_read(self) -> None:
        assert self.read("<p>a &#" + "9" * 5000 + "; b &#65;") == [((), ["a \ufffd b A"])]

    @given(st.text("<>/!-\"'= hpdivnavscript123&;\n", max_size=200))
    @settings(max_examples=100, deadline=None)
    def test_any_text_is_read(self, html: str) -> None:
        self.read(html)


class TestPacking:
    def test_a_short_section_is_one_passage(self) -> None:
        assert list(pack(["a", "b"], 600, 3000)) == ["a\n\nb"]

    def test_a_long_section_is_divided_evenly_and_nothing_is_lost(self) -> None:
        blocks = [prose(400, i) for i in range(12)]
        passages = list(pack(blocks, 600, 3000))
        assert all(600 <= len(passage) <= 3000 for passage in passages)
        assert "\n\n".join(passages) == "\n\n".join(blocks)

    def test_a_short_tail_is_filled_from_the_passage_before(self) -> None:
        assert [
            len(passage) for passage in pack(["a" * 700, "b" * 2200, "c" * 150], 600, 3000)
        ] == [700, 2352]

    def test_an_announcement_stays_with_what_it_announces(self) -> None:
        passages = list(pack(["a" * 1500, "as follows:", "b" * 700, "c" * 900], 600, 3000))
        assert sum("as follows:\n\nb" in passage for passage in passages) == 1

    def test_an_overlong_block_comes_alone(self) -> None:
        assert [len(p) for p in pack(["a" * 700, "b" * 5000, "c" * 700], 600, 3000)] == [
            700,
            5000,
            700,
        ]

    @given(st.lists(st.integers(1, 4000), min_size=1, max_size=30))
    @settings(max_examples=100, deadline=None)
    def test_passages_never_exceed_the_limit_and_keep_the_text(self, sizes: list[int]) -> None:
        blocks = [chr(97 + i % 26) * size for i, size in enumerate(sizes)]
        passages = list(pack(blocks, 600, 3000))
        assert "\n\n".join(passages) == "\n\n".join(blocks)
        assert all(len(passage) <= 3000 or passage in blocks for passage in passages)


class TestFilters:
    def test_length(self) -> None:
        short, long = refuse("word " * 20, LIMITS), refuse(prose(3100), LIMITS)
        assert short
        assert short.reason == "too_short"
        assert long
        assert long.reason == "too_long"

    def test_a_table_of_symbols_is_no_prose(self) -> None:
        refusal = refuse("| 12 | 0.5 | --- | {} |\n" * 40, LIMITS)
        assert refusal
        assert refusal.reason == "not_prose"

    @pytest.mark.parametrize(
        ("text", "share"),
        [("abc", 1.0), ("a1 b2", 0.5), ("", 0.0), ("日本語 é", 1.0), ("── é", 1 / 3)],
    )
    def test_letter_share(self, text: str, share: float) -> None:
        assert letter_share(text) == pytest.approx(share)

    def test_repeated_sentences_are_refused(self) -> None:
        text = " ".join(
            f"Buy our wonderful new product number {i} today and save some money now."
            for i in range(20)
        )
        refusal = refuse(text, LIMITS)
        assert refusal
        assert refusal.reason == "repetitive"

    def test_one_line_again_and_again_is_refused(self) -> None:
        assert repetition("Add to cart\n" * 100, 0.3) > 0.9

    def test_prose_is_not_repetitive(self) -> None:
        assert repetition(prose(2500), 0.3) <= 0.3

    @pytest.mark.parametrize(
        "line",
        [
            "void\txsltFree{0}\t\t(void * payload{0});",
            "struct gate_{0} {{ int\tdepth{0} : the depth of a gate;",
            "- gates.html#gate{0} → {{gate {0}}} gate_{0}",
            "    [--closing-gate{0}] [--opening-gate{0}] [gate-number…]",
            "    /* open the gate */ open(gate[{0}] + 1); /* and go on with the next */",
        ],
    )
    def test_declarations_without_a_sentence_are_no_prose(self, line: str) -> None:
        text = "\n".join(line.format(number) for number in range(40))
        refusal = refuse(text, LIMITS)
        assert refusal
        assert refusal.reason == "not_prose"
        lead = "This is how the gates of a lock are closed:"
        for introduction in (lead, "These functions close the gates of a lock."):
            again = refuse(f"{introduction}\n\n{text}", LIMITS)
            assert again is None or again.reason == "repetitive"

    def test_what_a_command_prints_is_no_prose(self) -> None:
        gates = [{"state": prose(40, i), "open": i % 2, "locks": [i, "a"]} for i in range(9)]
        printed = json.dumps({f"gate-{i}": gate for i, gate in enumerate(gates)}, indent=4)
        start = f"{prose(120)}\n\n$ lock gates --all\n\n{printed}\n\n{prose(60)}"
        refusal = refuse(start, LIMITS)
        assert refusal
        assert (refusal.reason, "of the text is data" in refusal.detail) == ("not_prose", True)
        middle = refuse("\n".join(printed.split("\n")[7:-9]), LIMITS)
        assert middle
        assert middle.reason == "not_prose"
        assert refuse(f"{prose(700)}\n\n{printed[:400]}", LIMITS) is None

    def test_talk_is_no_data(self) -> None:
        said = "\n".join(f'"{prose(60, i)}"' for i in range(20))
        assert data_share(said) == 0.0
        assert data_share('{\n  "a": 1,\n  "b": [\n    2,\n    "c"\n  ]\n}') > 0.8

    def test_a_list_of_records_is_no_prose(self) -> None:
        text = "\n\n".join(
            f"R-{10000 + i}-{20000 + i}-{30000 + i}-{40000 + i}\n{prose(90, i)}" for i in range(9)
        )
        refusal = refuse(text, LIMITS)
        assert refusal
        assert refusal.reason == "not_prose"


class TestSegmenter:
    async def test_a_segment_names_what_it_was_cut_from(self) -> None:
        first, second = prose(700), prose(700, 1)
        at = Offset(topic="documents", partition=0, offset=7)
        given = document(
            f"One\n===\n\n{first}\n\nTwo\n---\n\n{second}", context="material", title="One"
        )
        found = await Segmenter().handle(given, at)
        assert found == [
            Segment(
                id=segment_id(text, "material"),
                document_id=given.id,
                source="a.txt",
                document_at=at,
                position=position,
                headings=headings,
                text=text,
                context="material",
                language="en",
                neighbours=neighbours,
            )
            for position, (text, headings, neighbours) in enumerate(
                [(first, (), ("Two",)), (second, ("Two",), ())]
            )
        ]

    async def test_the_media_type_chooses_the_reader(self) -> None:
        text = prose(700)
        for media_type, source in {
            "text/html": f"<h1>A</h1><p>{text}</p>",
            "text/markdown": f"# A\n\n{text}",
            "text/plain": f"A\n===\n\n{text}",
        }.items():
            assert [found.headings for found in await segments(source, media_type)] == [("A",)]

    async def test_a_document_without_headings_is_one_passage(self) -> None:
        assert [found.headings for found in await segments(prose(900))] == [()]

    async def test_twice_the_same_passage_is_one_segment(self) -> None:
        text = prose(700)
        found = await segments(
            f"# A\n\n{text}\n\n# B\n\n{text.replace(' ', '  ', 3)}\n\n# C\n\n{prose(700, 5)}",
            "text/markdown",
        )
        assert [segment.position for segment in found] == [0, 2]

    async def test_a_refused_passage_names_itself_and_its_document(self) -> None:
        symbols = "| 12 | 0.5 | --- | {} |\n" * 40
        given = document(symbols)
        [found] = await Segmenter().handle(given)
        assert isinstance(found, Rejection)
        id = segment_id(symbols)
        assert (found.id, found.segment_id, found.document_id) == (id, id, given.id)
        assert (found.stage, found.reason, found.count) == ("segmenter", "not_prose", 1)
        assert "0% of the characters are letters" in found.detail

    async def test_passages_that_are_too_short_share_a_rejection(self) -> None:
        given = document(
            f"# A\n\ntoo little\n\n# B\n\n{prose(700)}\n\n# C\n\nas little\n\n# D\n\ntoo little",
            "text/markdown",
        )
        segment, found = await Segmenter().handle(given)
        assert isinstance(segment, Segment)
        assert isinstance(found, Rejection)
        assert (found.id, found.segment_id, found.document_id) == (
            refused_parts_id(given.id, "too_short"),
            "",
            given.id,
        )
        assert (found.stage, found.reason, found.count) == ("segmenter", "too_short", 2)
        assert found.detail == "2 passages of 9 to 10 characters; at least 600 are wanted"
        [alone] = await Segmenter().handle(document("too little"))
        assert isinstance(alone, Rejection)
        assert (alone.count, alone.detail) == (
            1,
            "a passage of 10 characters; at least 600 are wanted",
        )

    @pytest.mark.parametrize(
        ("text", "media_type"),
        [
            ("<nav>menu</nav>", "text/html"),
            ("  \n\n", "text/plain"),
            ("# Heading\n", "text/markdown"),
            ("A\n===\n", "text/plain"),
        ],
    )
    async def test_a_document_without_a_passage_is_rejected_itself(
        self, text: str, media_type: str
    ) -> None:
        given = document(text, media_type)
        [found] = await Segmenter().handle(given)
        assert isinstance(found, Rejection)
        assert (found.id, found.reason, found.segment_id) == (given.id, "no_passage", "")

    async def test_settings_move_the_limits(self) -> None:
        agent = Segmenter(SegmenterSettings(min_characters=5, max_characters=50))
        [found] = await agent.handle(document("Words enough for one."))
        assert isinstance(found, Segment)

    async def test_a_large_document_is_cut_as_a_small_one(self) -> None:
        text = "\n\n".join(prose(500, i) for i in range(500))
        found = await segments(text)
        assert "\n\n".join(segment.text for segment in found) == text

    async def test_reference_topics_give_many_passages(self) -> None:
        agent = Segmenter()
        found = [
            outcome for text in topics.values() for outcome in await agent.handle(document(text))
        ]
        accepted = [outcome for outcome in found if isinstance(outcome, Segment)]
        assert len(accepted) > 150
        assert len(accepted) > 0.7 * len(found)
        assert all(600 <= len(segment.text) <= 3000 and segment.headings for segment in accepted)
