"""A session of ``rate``: shows one pair after the other and writes the answers."""

import re
import sys
import time
from collections.abc import Iterator, Sequence

import typer

from models.prompts.tasks.rating import DIGITS, SCALE
from schemas.records import HumanRating, Scored
from schemas.turns import transcript
from streams.data.ratings import Ratings
from streams.observe.quantities import as_count

_SHOWN_CHARACTERS = 1500
_KEYS = "1-5 rate · a show all of it · s skip · u take the last one back · q quit"
# The text of a passage is untrusted: it must not move the cursor or colour the screen.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def ask_about(
    pairs: Sequence[Scored], ratings: Ratings, rater: str, answers: Iterator[str]
) -> dict[int, int]:
    """Ask about each pair until the answers end, and write each rating.

    Returns the given scores by the position of the pair. Raises BrokerError.
    """
    given: dict[int, int] = {}
    print(f"How well does the answer serve the request?\n{SCALE}")
    at, shown = 0, -1
    while at < len(pairs):
        if shown != at:
            text = _as_text(pairs[at], _SHOWN_CHARACTERS)
            print(f"\n── {at + 1} of {len(pairs)} ──\n{text}\n\n{_KEYS}", flush=True)
            shown = at
        answer = next(answers, "q")
        if answer in DIGITS:
            ratings.write(_rating(pairs[at], int(answer), rater))
            given[at] = int(answer)
            at += 1
        elif answer == "s":
            at += 1
        elif answer == "a":
            print(_as_text(pairs[at], None), flush=True)
        elif answer == "u" and given:
            at, _ = given.popitem()
            shown = -1
            ratings.take_back(pairs[at].id)
        elif answer == "q":
            break
        else:
            print("nothing to take back" if answer == "u" else _KEYS, flush=True)
    return given


def print_report(pairs: Sequence[Scored], given: dict[int, int]) -> None:
    """Print the given scores beside the models' ratings."""
    print("\nyou  model")
    for at, score in given.items():
        request = " ".join(_CONTROL.sub("", pairs[at].candidate.instruction).split())
        print(f"{score:>3}  {pairs[at].rating.score:>5.2f}  {request[:100]}")
    errors = [abs(score - pairs[at].rating.score) for at, score in given.items()]
    mean = ""
    if errors:
        mean = f", {sum(errors) / len(errors):.2f} points from the models on average"
    print(f"{as_count(len(given), 'pair')} rated{mean}")


def read_lines() -> Iterator[str]:
    """Yield the lines of standard input that are not empty."""
    return (line.strip().lower() for line in sys.stdin if line.strip())


def read_keys() -> Iterator[str]:
    """Yield each key as it is pressed, and ``?`` for one that is not printable."""
    while True:
        try:
            # Several characters if they came at once, as those of an arrow key do.
            typed = typer.getchar()
        except EOFError:
            return
        for key in typed.lower() if typed.isprintable() else "?":
            print(key)
            yield key


def _rating(pair: Scored, score: int, rater: str) -> HumanRating:
    candidate = pair.candidate
    return HumanRating(
        id=pair.id,
        instruction=candidate.instruction,
        context=candidate.context,
        response=candidate.response,
        headings=candidate.provenance.headings,
        turns=candidate.turns,
        score=score,
        rater=rater,
        at=time.time(),
    )


def _as_text(pair: Scored, limit: int | None) -> str:
    """Return a pair as text, with each part cut after ``limit`` characters."""
    candidate = pair.candidate
    parts = [
        ("Said before", transcript(candidate.turns)),
        ("Request", candidate.instruction),
        ("Given", candidate.context),
        ("Answer", candidate.response),
    ]
    return "\n\n".join(
        f"{name}:\n{_cut(_CONTROL.sub('', text), limit)}" for name, text in parts if text
    )


def _cut(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters: a)"
