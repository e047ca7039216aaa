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

from schemas.records import Candidate, HumanRating, Provenance, Rating, Scored, Turn
from streams.cli.rating_session import ask_about
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

    def write(self, rating: HumanRating) -> None:
        self.log.append((rating.id, rating.score))

    def take_back(self, id: str) -> None:
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
        ("aa5", [("a", 5)]),
    ],
)
def test_each_answer_does_what_it_says(typed: str, log: list[tuple[str, int | None]]) -> None:
    written = Written()
    given = ask_about(PAIRS, written, "ada", iter(typed))  # type: ignore[arg-type]
    assert written.log == log
    standing = {id: score for id, score in log if score is not None}
    assert {PAIRS[at].id: score for at, score in given.items()} == standing


def test_a_rating_holds_the_pair_and_who_gave_it() -> None:
    kept: list[HumanRating] = []

    class Keeps(Written):
        def write(self, rating: HumanRating) -> None:
            kept.append(rating)

    ask_about([scored("a", context="Given.")], Keeps(), "ada", iter("4"))  # type: ignore[arg-type]
    (rating,) = kept
    assert (rating.id, rating.instruction, rating.context, rating.response) == (
        "a",
        "Why a?",
        "Given.",
        "So.",
    )
    assert (rating.score, rating.rater) == (4, "ada")
    assert rating.at > 1.7e9


def test_earlier_turns_are_shown_and_kept_with_the_rating(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept: list[HumanRating] = []

    class Keeps(Written):
        def write(self, rating: HumanRating) -> None:
            kept.append(rating)

    said = (Turn(role="user", text="Is it\x1b[2J old?"), Turn(role="assistant", text="Yes."))
    pair = scored("a")
    pair = pair.model_copy(update={"candidate": pair.candidate.model_copy(update={"turns": said})})
    ask_about([pair], Keeps(), "ada", iter("4"))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert "Said before:\nUser: Is it[2J old?\n\nAssistant: Yes.\n\nRequest:\nWhy a?" in shown
    assert "\x1b" not in shown
    assert kept[0].turns == said


def test_a_long_answer_is_cut_and_shown_whole_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = scored("a", response="word " * 1000 + "END")
    ask_about([long], Written(), "", iter("q"))  # type: ignore[arg-type]
    assert "END" not in (shown := capsys.readouterr().out)
    assert "3,503 more characters" in shown
    ask_about([long], Written(), "", iter("aq"))  # type: ignore[arg-type]
    assert "END" in capsys.readouterr().out


def test_what_is_shown_cannot_steer_the_terminal_and_has_no_score(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask_about([scored("a", 3.25, "\x1b[2Jred\x9b31m\ttab\r\n")], Written(), "", iter("5"))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\r"} & set(shown)
    assert "\ttab\n" in shown
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
