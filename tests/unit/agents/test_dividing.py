"""Division of sections and blocks that are too long, and the sentences of many scripts."""

import pytest

from agents.passages.leaning import begins_inside, leads_on
from agents.passages.packing import pack
from agents.passages.sentences import sentences
from tests.unit.agents.test_segmenter import prose


def passages(*blocks: str) -> list[str]:
    found = list(pack(list(blocks), 600, 3000))
    assert all(600 <= len(passage) <= 3000 for passage in found)
    return found


def squeezed(text: str) -> str:
    return "".join(text.split())


class TestSentences:
    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("One is here. Two is there! Is it three? Yes.", 4),
            ('He said "Stop." Then he left.', 2),
            ("See e.g. Mr. Smith, vol. 3 of J. Doe et al. 2001 for more. Done.", 2),
            ("Version 3.11 has foo.bar() and a?b=c in it. Next.", 2),
            ("It ended... and went on. Then it stopped.", 2),
            ("1. The first. 2. The second.", 3),
            ("水从高处流下。门开了！船走吗？走。", 4),
            ("पानी बहता है। नाव चलती है।", 2),
            ("يفتح الباب؟ نعم. يغلق الباب۔ لا", 4),
            ("Вода течёт. Лодка плывёт! Да.", 3),
            ("Das gilt z.B. für Öl. Über Nacht nicht.", 2),
            ("", 0),
        ],
    )
    def test_their_number(self, text: str, count: int) -> None:
        assert len(sentences(text)) == count


class TestABlockThatIsTooLong:
    @pytest.mark.parametrize("border", ["\n", "\n\n", " "])
    def test_is_divided_at_its_next_finer_border(self, border: str) -> None:
        paragraphs = [prose(330, i) for i in range(20)]
        text = border.join(paragraphs)
        found = passages(text)
        assert border.join(found) == text
        assert all(passage.endswith(".") for passage in found)
        if border != " ":
            assert {line for passage in found for line in passage.split(border)} == set(paragraphs)

    def test_a_wrapped_paragraph_is_divided_at_sentences_not_at_lines(self) -> None:
        words = prose(7000).split()
        lines = "\n".join(" ".join(words[at : at + 9]) for at in range(0, len(words), 9))
        assert all(passage.endswith(".") for passage in passages(lines))

    def test_chinese_text_without_spaces(self) -> None:
        text = "".join(f"第{i}座水闸把河水拦在山谷里，船夫等着闸门打开。" for i in range(300))
        assert "".join(passages(text)) == text

    def test_tibetan_text_is_divided_behind_its_shads(self) -> None:
        syllables = "ཆུ ལམ སྒོ གྲོང མི རི ཤིང ཟམ".split()
        clauses = ["་".join(syllables[(i * k) % 8] for k in range(3, 14)) for i in range(1, 200)]
        text = "། ".join(clauses) + "།"
        found = passages(text)
        assert " ".join(found) == text
        assert len(found) > 1
        assert all(passage.endswith("།") for passage in found)

    @pytest.mark.parametrize("mark", ["- ", "* ", "7. ", "• "])
    def test_each_part_of_a_list_begins_with_its_introduction(self, mark: str) -> None:
        introduction = "These stations are on the northern line, in the order of their building:"
        items = [mark + prose(140, i) for i in range(40)]
        found = passages(prose(700), introduction, "\n".join(items))
        assert all(introduction in passage for passage in found)
        assert all(not begins_inside(passage) for passage in found)
        assert [line for text in found for line in text.split("\n") if line in items] == items

    def test_items_of_several_lines_are_whole(self) -> None:
        items = [f"- {prose(100, i)}\n  - inner {prose(100, i + 50)}" for i in range(30)]
        for passage in passages("The list:", "\n".join(items)):
            assert passage.count("\n- ") == passage.count("\n  - ")

    def test_what_an_item_has_below_it_stays_with_it(self) -> None:
        items = [
            f"{i}. {prose(300, i)}\n   - {prose(200, 50 + i)}\n\n     ```\n     make {i}\n     ```"
            for i in range(1, 13)
        ]
        found = passages("Do all of this:", "\n".join(items))
        assert len(found) > 1
        assert [item for item in items if any(item in passage for passage in found)] == items

    def test_each_part_of_a_table_begins_with_its_head(self) -> None:
        rows = [f"| {i} | {prose(120, i)} |" for i in range(50)]
        found = passages("A table:", "\n".join(["| n | text |", "|---|---|", *rows]))
        assert all(text.startswith("A table:\n\n| n | text |\n|---|---|\n| ") for text in found)
        assert [line for text in found for line in text.split("\n") if line in rows] == rows

    def test_terms_stay_with_what_is_indented_below_them(self) -> None:
        entries = [f"--option-{i}\n    {prose(150, i)}\n    {prose(50, 90 + i)}" for i in range(40)]
        for passage in passages("\n".join(entries)):
            assert passage.startswith("--option-")
            assert passage.rsplit("\n", 1)[1].startswith("    ")

    def test_a_sentence_without_an_end_is_not_divided(self) -> None:
        assert [len(text) for text in pack(["word " * 1000], 600, 3000)] == [5000]

    def test_a_fenced_block_is_not_divided(self) -> None:
        code = "```\n" + "call()\n\n" * 500 + "```"
        assert code in list(pack([prose(700), code], 600, 3000))

    def test_many_short_lines_are_divided_at_once(self) -> None:
        found = list(pack(["a\n" * 50_000], 600, 3000))
        assert squeezed("".join(found)) == "a" * 50_000


class TestNoCut:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("What is a lock?", prose(650, 3)),
            ("Q: What is a lock good for in a canal with much traffic?", f"A: {prose(650, 3)}"),
            ("sluice", f"  {prose(650, 3)}"),
            ("**The gate**", prose(650, 3)),
            (f"{prose(300, 7)} These are the parts:", "- a gate\n- a sluice\n- a chamber"),
            ("The keeper writes the following:", "    open(gate)\n    close(gate)"),
        ],
    )
    @pytest.mark.parametrize("size", [700, 1200, 1500, 2000])
    def test_between_what_belongs_together(self, before: str, after: str, size: int) -> None:
        found = passages(prose(size), prose(700, 1), before, after, prose(800, 2))
        assert sum(f"{before}\n\n{after}" in passage for passage in found) == 1

    @pytest.mark.parametrize(
        ("text", "leads"),
        [
            ("as follows:", True),
            ("Why?", True),
            ("A term", True),
            ("A sentence ends here.", False),
            ("- an item", False),
            ("水闸是什么？", True),
            ("水闸拦住河水。", False),
            (prose(200), False),
        ],
    )
    def test_what_leads_on(self, text: str, leads: bool) -> None:
        assert leads_on(text) is leads
