"""The benchmark of writers: what is measured on, what is kept, and what follows from it."""

import json
from pathlib import Path

import pytest

from bench.openings import Choice, expected, table
from bench.writer.card import Column, Sample, render
from bench.writer.figures import of_ranks, of_writing, opening, openings, repeats
from bench.writer.material import RIVALS, held_out_rows
from bench.writer.measure import rank, write
from bench.writer.records import Ranked, Records, Written
from models.engine import Engine
from models.prompts.layout import Prompter
from models.sampling import Sampling
from models.serving.served_model import ServedModel


@pytest.fixture
def dolly(tmp_path: Path) -> Path:
    rows = [
        {
            "instruction": f"What is number {n}?",
            "context": "given" if n % 5 == 0 else "",
            "response": f"Number {n} is the one after number {n - 1}. " * (1 if n % 7 == 0 else 3),
        }
        for n in range(40)
    ]
    file = tmp_path / "dolly.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def test_rows_have_other_rivals_and_no_context(dolly: Path) -> None:
    rows = held_out_rows(dolly)
    assert len(rows) == 28, "neither those with a context nor those with a short response"
    for row in rows:
        assert not row.pair.context
        assert len({row.pair.instruction, *row.rivals}) == 1 + RIVALS
    assert rows == held_out_rows(dolly)


def test_a_line_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "work" / "written.jsonl"
    kept = Records(file, Written)
    kept.append([Written("a", "What is a?", True), Written("b", None)])
    with file.open("a", encoding="utf-8") as lines:
        lines.write('{"key": "c", "instr')
    again = Records(file, Written)
    assert again.missing(["a", "b", "c"]) == ["c"]
    again.append([Written("c", "What is c?", True)])
    assert [one.key for one in Records(file, Written).of(["c", "a"])] == ["c", "a"]


async def test_a_model_ranks_and_writes_once(dolly: Path, house: Path, tmp_path: Path) -> None:
    rows = {str(n): row for n, row in enumerate(held_out_rows(dolly)[:3])}
    engine, prompter = Engine.load(house, device="cpu"), Prompter.load(house)
    ranked = Records(tmp_path / "ranked.jsonl", Ranked)
    written = Records(tmp_path / "written.jsonl", Written)
    model = ServedModel("house", engine, prompter)
    texts = {"short": ("A passage.", ("Heading",)), "long": ("word " * 3000, ())}
    try:
        await rank(model, rows, ranked)
        await write(model, texts, Sampling(max_tokens=4), {"What": 1.0}, written)
    finally:
        model.close()
    await rank(model, rows, ranked)  # the engine is closed: nothing is asked again
    for one in ranked.of(rows):
        assert one.given > 0
        assert one.alone > 0
        assert 0 <= one.before <= RIVALS
        assert one.characters == len(rows[one.key].pair.instruction) + 1
    short, long = written.of(texts)
    assert short.instruction is not None
    assert long.instruction is None


def test_figures_of_ranks() -> None:
    found = of_ranks(
        [Ranked("0", 10, 4, 8.0, 12.0, 0), Ranked("1", 30, 8, 12.0, 20.0, 2)],
    )
    assert found["nll_character"][0] == 0.5
    assert found["nll_character_alone"][0] == 0.8
    assert found["nll_token"][0] == pytest.approx(20 / 12)
    assert found["first_of_10"][0] == 0.5
    assert found["rank"][0] == 2


def test_figures_of_writing() -> None:
    texts = ["What is a list?", "what is a list?", "List the parts of a plan.", "Why"]
    written = [Written(text, text, True) for text in texts] + [Written("long", None)]
    found = {name: value for name, (value, _, _) in of_writing(written).items()}
    assert found["well_formed"] == 0.75
    assert found["distinct"] == 0.75
    assert found["commonest_opening"] == 0.5
    assert found["other_than_what_how"] == 0.5
    assert found["passes_rules"] == 0.75, "one word is too few"
    assert openings(written, 1) == [("what is", 2)]
    assert opening("What's new?") == "what's new"
    assert repeats("the end of the line is the end of the line")


def test_improbable_words_are_not_expected() -> None:
    found = {
        "one": [
            Choice("one", "What", 1.0, "what is"),
            Choice("one", "List", 0.04, "list the"),
            Choice("one", "", 1.0, "what is"),
        ],
        "two": [Choice("two", "What", 0.01, "what is"), Choice("two", "", 1.0, "tell me")],
    }
    shares, improbable, probability = expected(found, {"What": 1.0}, 0.0)
    assert shares["list the"] == pytest.approx(0.5 * 0.2 / 1.2)
    assert shares["what is"] == pytest.approx(0.5 + 0.5 / 1.2)
    assert improbable == pytest.approx(0.5 + 0.5 * 0.2 / 1.2)
    assert probability < 0.6
    shares, improbable, _ = expected(found, {"What": 1.0}, 0.05)
    assert shares == {"what is": 0.5, "tell me": 0.5}
    assert improbable == 0
    assert "| 1.0 | 1.0 | 0.05 | what is 50% | 50% | 0% |" in table(found)


def test_the_card_keeps_the_text_around_its_figures(tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text("before\n<!-- written by bench.writer -->\nold\n<!-- end -->\nafter\n")
    column = Column("house", {"rank": (2.0, 1.0, 3.0)}, "3; 4", [("what is", 2)])
    for _ in range(2):
        render(card, [column], [Sample("a | b", "Heading", "What?")], [])
    text = card.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- written")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "old" not in text
    assert "| its mean rank, 1 to 10 | 2.00 (1.00 to 3.00) |" in text
    assert "| a \\| b | Heading | What? |" in text
    assert "- house: what is (2)" in text
