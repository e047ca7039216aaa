"""Rating by hand: which pairs are shown, and what each answer does.

Nothing may reveal the model's rating before the end.
"""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.records import (
    Candidate,
    Decision,
    HumanRating,
    Provenance,
    Rating,
    Ruling,
    Scored,
    Turn,
)
from streams.cli.rating_session import ask_about, print_report
from streams.data.judging import Judging, Undone
from streams.data.ratings import spread


def scored(
    id: str, score: float = 3.25, response: str = "So.", context: str | None = None
) -> Scored:
    candidate = Candidate(
        id=id, instruction=f"Why {id}?", context=context, response=response, provenance=Provenance()
    )
    return Scored(
        candidate=candidate,
        rating=Rating(score=score, probabilities=(0, 0, 1, 0, 0), release="r", template="t"),
    )


class Written:
    """Takes ratings in place of the broker."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int | None]] = []

    def rate(self, pair: Scored, score: int, by: str) -> None:
        self.log.append((pair.id, score))

    def take_back(self, id: str, by: str) -> None:
        self.log.append((id, None))


PAIRS = [scored("a"), scored("b"), scored("c")]


@pytest.mark.parametrize(
    ("typed", "log"),
    [
        ("", []),
        ("q5", []),
        ("5", [("a", 5)]),
        ("143", [("a", 1), ("b", 4), ("c", 3)]),
        ("14312", [("a", 1), ("b", 4), ("c", 3)]),
        ("s2q", [("b", 2)]),
        ("5u4", [("a", 5), ("a", None), ("a", 4)]),
        ("5suu3", [("a", 5), ("a", None), ("a", 3)]),
        ("12uu33", [("a", 1), ("b", 2), ("b", None), ("a", None), ("a", 3), ("b", 3)]),
        ("u06x5", [("a", 5)]),
        ("ww5", [("a", 5)]),
        ("a5", [("a", 5)]),
    ],
)
def test_each_answer_does_what_it_says(typed: str, log: list[tuple[str, int | None]]) -> None:
    written = Written()
    given = ask_about(PAIRS, written, "ada", iter(typed))  # type: ignore[arg-type]
    assert written.log == log
    standing = {id: score for id, score in log if score is not None}
    assert {PAIRS[at].id: score for at, score in given.items()} == standing


class Topic:
    """Takes ratings and decisions in place of the broker."""

    def __init__(self) -> None:
        self.ratings: list[HumanRating] = []
        self.log: list[tuple[str, ...]] = []

    def write(self, rating: HumanRating) -> None:
        self.log.append(("rating", rating.id))
        self.ratings.append(rating)

    def drop(self, pair: Scored, by: str, note: str) -> None:
        self.log.append(("drop", pair.id, by, note))

    def accept(self, pair: Scored, by: str, note: str) -> None:
        self.log.append(("accept", pair.id, by, note))

    def undo(self, id: str, by: str) -> None:
        self.log.append(("undo", id, by))

    def take_back(self, id: str) -> None:
        self.log.append(("retract", id))


def test_a_rating_holds_the_pair_and_decides() -> None:
    topic = Topic()
    judging = Judging(topic, topic, 4.0)  # type: ignore[arg-type]
    ask_about(
        [scored("a", context="Given."), scored("b"), scored("c")], judging, "ada", iter("43u5")
    )
    assert topic.log == [
        ("accept", "a", "ada", "rated 4"),
        ("rating", "a"),
        ("drop", "b", "ada", "rated 3"),
        ("rating", "b"),
        ("undo", "b", "ada"),
        ("retract", "b"),
        ("accept", "b", "ada", "rated 5"),
        ("rating", "b"),
    ]
    rating = topic.ratings[0]
    assert (rating.id, rating.instruction, rating.context, rating.response) == (
        "a",
        "Why a?",
        "Given.",
        "So.",
    )
    assert (rating.score, rating.rater) == (4, "ada")
    assert rating.at > 1.7e9


class Said:
    """Has a rating and a decision of one pair in place of the broker."""

    def __init__(self, said: object) -> None:
        self.said: object = said

    def of(self, id: str) -> object:
        return self.said

    def undo(self, id: str, by: str) -> object:
        before, self.said = self.said, None
        return before

    def retract(self, id: str) -> None:
        self.said = None


@pytest.mark.parametrize(
    ("score", "note", "undone", "left"),
    [
        (2, "rated 2", Undone.RATING, (None, None)),
        (2, None, Undone.RATING, (None, None)),
        (2, "", Undone.DECISION, (2, None)),
        (3, "rated 2", Undone.DECISION, (3, None)),
        (None, "rated 2", Undone.DECISION, (None, None)),
        (None, None, Undone.NOTHING, (None, None)),
    ],
)
def test_undo_takes_a_rating_back_with_the_decision_that_it_made(
    score: int | None, note: str | None, undone: Undone, left: tuple[int | None, str | None]
) -> None:
    ratings = Said(
        score
        and HumanRating(id="a", instruction="Why?", response="So.", score=score, rater="", at=1.0)
    )
    pair = scored("a")
    ruling = None if note is None else Ruling(action="drop", by="ada", at=1.0, note=note)
    decisions = Said(
        ruling and Decision(candidate=pair.candidate, rating=pair.rating, ruling=ruling)
    )
    judging = Judging(ratings, decisions, 4.0)  # type: ignore[arg-type]
    assert judging.undo("a", "ada") is undone
    assert (ratings.said and ratings.said.score, decisions.said) == left  # type: ignore[attr-defined]


def test_the_summary_says_what_the_ratings_decide(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(PAIRS, {0: 1, 1: 4, 2: 5}, 4.0)
    shown = capsys.readouterr().out
    assert "3 pairs rated" in shown
    assert (
        "1 pair below the threshold of 4 is dropped and 2 pairs at or above it are accepted"
        in shown
    )
    print_report(PAIRS, {0: 5}, 4.0)
    shown = capsys.readouterr().out
    assert "1 pair rated" in shown
    assert "below" not in shown


def test_an_unknown_key_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    ask_about(PAIRS, Written(), "ada", iter("x"))  # type: ignore[arg-type]
    assert "'x' is not a key here. 1-5 rate" in capsys.readouterr().out


@pytest.mark.parametrize("lines", [16, 24, 60])
def test_request_and_answer_are_on_one_screen(lines, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", str(lines))
    long = scored("a", response="word " * 1000 + "END", context="given " * 300)
    ask_about([long], Written(), "", iter("q"))  # type: ignore[arg-type]
    shown = capsys.readouterr().out.splitlines()[7:]
    assert len(shown) <= lines
    assert {"Request:", "Why a?", "Given:", "Answer:"} <= set(shown)
    assert any("more lines: w" in line for line in shown)


def test_earlier_turns_are_shown_and_kept_with_the_rating(
    capsys: pytest.CaptureFixture[str],
) -> None:
    topic = Topic()
    said = (Turn(role="user", text="Is it\x1b[2J old?"), Turn(role="assistant", text="Yes."))
    pair = scored("a")
    pair = pair.model_copy(update={"candidate": pair.candidate.model_copy(update={"turns": said})})
    ask_about([pair], Judging(topic, topic, 4.0), "ada", iter("4"))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert "Said before:\nUser: Is it[2J old?\n\nAssistant: Yes.\n\nRequest:\nWhy a?" in shown
    assert "\x1b" not in shown
    assert topic.ratings[0].turns == said


def test_a_long_answer_is_cut_and_shown_whole_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = scored("a", response="word " * 1000 + "END")
    ask_about([long], Written(), "", iter("q"))  # type: ignore[arg-type]
    assert "END" not in (shown := capsys.readouterr().out)
    assert "more lines: w" in shown
    ask_about([long], Written(), "", iter("wq"))  # type: ignore[arg-type]
    assert "END" in capsys.readouterr().out


def test_what_is_shown_cannot_steer_the_terminal_and_has_no_score(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask_about([scored("a", 3.25, "\x1b[2Jred\x9b31m\ttab\r\n")], Written(), "", iter("5"))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\r"} & set(shown)
    assert "[2Jred31m       tab\n" in shown, "to the next of the columns that a terminal has"
    assert "3.25" not in shown


def test_any_beginning_covers_the_scale() -> None:
    scores = {f"{number}": 1 + 4 * (number % 100) / 99 for number in range(500)}
    order = spread(scores)
    assert sorted(order) == sorted(scores)
    for count in (5, 10, 50, 500):
        fifths = [min(4, int((scores[id] - 1) / 4 * 5)) for id in order[:count]]
        assert [fifths.count(fifth) for fifth in range(5)] == [count // 5] * 5


def test_the_order_is_the_same_whatever_came_first_and_does_not_rise_with_the_score() -> None:
    scores = {f"{number}": 1 + number % 5 for number in range(50)}
    order = spread(scores)
    assert spread(dict(reversed(scores.items()))) == order
    turns = [[scores[id] for id in order[start : start + 5]] for start in range(0, 50, 5)]
    assert len({tuple(turn) for turn in turns}) > 5


@pytest.mark.parametrize(
    ("scores", "length"), [({}, 0), ({"a": 5.0}, 1), ({"a": 4.9, "b": 4.8, "c": 1.0}, 3)]
)
def test_empty_fifths_are_passed_over(scores: dict[str, float], length: int) -> None:
    assert len(spread(scores)) == length


def test_on_a_terminal_one_key_is_an_answer() -> None:
    program = (
        "from streams.cli.rating_session import read_keys; "
        "print([key for _, key in zip(range(3), read_keys())])"
    )
    terminal, stdin = pty.openpty()
    root = Path(__file__).parents[4]
    command = [sys.executable, "-u", "-c", program]
    with subprocess.Popen(
        command, stdin=stdin, stdout=subprocess.PIPE, cwd=root, bufsize=0
    ) as process:
        try:
            assert process.stdout is not None
            told = b""
            for typed, echoed in (
                (b"4", b"4\n"),
                (b"S", b"4\ns\n"),
                (b"\x1b[A", b"4\ns\n?\n['4', 's', '?']\n"),
            ):
                while told != echoed:
                    if not told.endswith(b"?\n"):
                        os.write(
                            terminal, typed
                        )  # again: what is typed before a key is awaited is dropped
                    while told != echoed and select.select([process.stdout], [], [], 3)[0]:
                        told += os.read(process.stdout.fileno(), 100)
                    assert echoed.startswith(told)
        finally:
            process.kill()
            os.close(terminal)
            os.close(stdin)
