"""Sections that are too short are joined under the heading above them."""

import pytest

from agents.passages.combining import combine
from agents.passages.sections import Section
from agents.segmenter import Segmenter
from tests.unit.agents.test_segmenter import document, prose

SHORTEST, LONGEST = 600, 3000


def joined(sections: list[Section], *, titled: bool = False) -> list[Section]:
    return list(combine(sections, SHORTEST, LONGEST, lambda section: True, titled=titled))


def entries(count: int, characters: int = 250) -> list[Section]:
    return [Section(("Gates", f"gate-{i}"), [prose(characters, i)]) for i in range(count)]


def test_neighbours_keep_their_headings_as_lines() -> None:
    [found] = joined(entries(3))
    assert found.headings == ("Gates",)
    assert found.blocks == [text for i in range(3) for text in (f"gate-{i}", prose(250, i))]


def test_the_text_of_the_heading_above_begins() -> None:
    [found] = joined([Section(("Gates",), [prose(250, 9)]), *entries(2)])
    assert found.headings == ("Gates",)
    assert found.blocks[:2] == [prose(250, 9), "gate-0"]


def test_each_group_is_as_long_as_a_passage_and_the_rest_is_in_the_last() -> None:
    found = joined(entries(7))
    assert [len(section.blocks) // 2 for section in found] == [3, 4]


def test_what_is_long_enough_stays_alone() -> None:
    long = Section(("Gates", "sluice"), [prose(700, 20)])
    sections = [*entries(1), long, *entries(1)]
    assert joined(sections) == sections


@pytest.mark.parametrize(
    "other",
    [
        Section(("Locks", "a"), [prose(500, 5)]),
        Section(("Gates", "gate-0", "parts"), [prose(500, 5)]),
        Section((), [prose(500, 5)]),
        Section(("Gates", "menu"), ["Home - News - About us - Contact - Links"]),
    ],
    ids=["other parent", "deeper", "no heading", "no sentence"],
)
def test_what_is_not_joined(other: Section) -> None:
    sections = [Section(("Gates", "g"), [prose(300)]), other]
    assert sorted(joined(sections), key=str) == sorted(sections, key=str)


def test_below_no_heading_only_with_a_title() -> None:
    sections = [Section((f"gate-{i}",), [prose(350, i)]) for i in range(2)]
    assert joined(sections) == sections
    assert len(joined(sections, titled=True)) == 1


def test_a_declaration_with_some_words_is_an_entry() -> None:
    sections = [
        Section(("Gates", f"f{i}"), [f"int\tf{i}\t(int gate)", "Close the gate" + " now" * 90])
        for i in range(2)
    ]
    assert len(joined(sections)) == 1


def test_entries_of_a_reference_become_a_passage() -> None:
    page = "<h1>Gates</h1>" + "".join(
        f"<h2>gate-{i}</h2><pre>int gate_{i}(void);</pre><p>{prose(250, i)}</p>" for i in range(3)
    )
    [passage] = Segmenter().passages(document(page, "text/html"))
    assert passage.refusal is None
    assert passage.headings == ("Gates",)
    assert passage.text.startswith("gate-0\n\nint gate_0(void);\n\nThe ")


def test_a_short_section_that_leans_is_refused_alone() -> None:
    first, last = f"## a\n\n{prose(400)}", f"## c\n\n{prose(400, 2)}"
    text = f"# Gates\n\n{first}\n\n## b\n\nHowever, it is closed.\n\n{last}"
    kept = [one.text for one in Segmenter().passages(document(text, "text/markdown"))]
    assert "However, it is closed." in kept
    assert f"a\n\n{prose(400)}\n\nc\n\n{prose(400, 2)}" in kept
