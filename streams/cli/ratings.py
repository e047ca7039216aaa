"""``backstream rate``: people rate pairs, one after the other, on the scale that the models are
given.
"""

import getpass
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from models.prompts.templates import DIGITS, SCALE
from schemas.records import HumanRating, Scored
from streams.cli.options import (
    Assignments,
    Broker,
    ConfigFile,
    StateDir,
    connected,
    say,
    settings_from,
)
from streams.data.ratings import Ratings, open_ratings, pairs_to_rate

_SHOWN_CHARACTERS = 1500
_KEYS = "1-5 rate · a show all of it · s skip · u take the last one back · q quit"
# A passage is a stranger's text: it must not move the cursor or colour the screen.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(rate)


def rate(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    count: Annotated[int, typer.Option("-n", help="How many pairs.", min=1)] = 20,
    rater: Annotated[
        str | None,
        typer.Option(
            envvar="BACKSTREAM_RATER",
            help="Your name beside the ratings. [default: your login]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Rate pairs from 1 to 5 by hand. They are what the models' ratings are measured against.

    Shows pairs that nobody has rated yet, from the whole scale of the models' ratings. Each answer
    is with the broker before the next pair is shown; what the models said is told at the end, so
    that it leads nobody. What is skipped comes again another time. Without a terminal, an answer a
    line is read from standard input.

    Example: `backstream rate -n 50 --rater ada`
    """
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        cluster = settings.kafka.cluster()
        pairs = pairs_to_rate(cluster, count)
        if not pairs:
            say("there is nothing to rate: no pair was scored yet, or people have rated them all")
            raise typer.Exit(1)
        with open_ratings(cluster) as ratings:
            given = ask_about(
                pairs,
                ratings,
                _login() if rater is None else rater,
                _keys() if sys.stdin.isatty() else _lines(),
            )
    _report(pairs, given)


def ask_about(
    pairs: Sequence[Scored], ratings: Ratings, rater: str, answers: Iterator[str]
) -> dict[int, int]:
    """Ask about each pair until the answers end; the scores given, by the position of the pair.
    Raises BrokerError.
    """
    given: dict[int, int] = {}
    print(f"How well does the answer serve the request?\n{SCALE}")
    at, shown = 0, -1
    while at < len(pairs):
        if shown != at:
            print(
                f"\n── {at + 1} of {len(pairs)} "
                f"──\n{_spelt(pairs[at], _SHOWN_CHARACTERS)}\n\n{_KEYS}",
                flush=True,
            )
            shown = at
        answer = next(answers, "q")
        if answer in DIGITS:
            ratings.write(_rating(pairs[at], int(answer), rater))
            given[at] = int(answer)
            at += 1
        elif answer == "s":
            at += 1
        elif answer == "a":
            print(_spelt(pairs[at], None), flush=True)
        elif answer == "u" and given:
            at, _ = given.popitem()
            shown = -1
            ratings.take_back(pairs[at].id)
        elif answer == "q":
            break
        else:
            print("nothing to take back" if answer == "u" else _KEYS, flush=True)
    return given


def _rating(pair: Scored, score: int, rater: str) -> HumanRating:
    it = pair.candidate
    return HumanRating(
        id=pair.id,
        instruction=it.instruction,
        context=it.context,
        response=it.response,
        score=score,
        rater=rater,
        at=time.time(),
    )


def _spelt(pair: Scored, limit: int | None) -> str:
    """A pair for the eye, each of its texts cut after ``limit`` characters."""
    it = pair.candidate
    parts = [("Request", it.instruction), ("Given", it.context), ("Answer", it.response)]
    return "\n\n".join(
        f"{name}:\n{_cut(_CONTROL.sub('', text), limit)}" for name, text in parts if text
    )


def _cut(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters: a)"


def _report(pairs: Sequence[Scored], given: dict[int, int]) -> None:
    """What the models said of the pairs that were rated."""
    print("\nyou  model")
    for at, score in given.items():
        request = " ".join(_CONTROL.sub("", pairs[at].candidate.instruction).split())
        print(f"{score:>3}  {pairs[at].rating.score:>5.2f}  {request[:100]}")
    apart = [abs(score - pairs[at].rating.score) for at, score in given.items()]
    mean = f", {sum(apart) / len(apart):.2f} points from the models on average" if apart else ""
    print(f"{len(given):,} pairs rated{mean}")


def _lines() -> Iterator[str]:
    return (line.strip().lower() for line in sys.stdin if line.strip())


def _keys() -> Iterator[str]:
    """Each key as it is pressed; one that is no letter, digit or sign as ``?``."""
    while True:
        try:
            typed = (
                typer.getchar()
            )  # several characters where they came at once, as those of an arrow do
        except EOFError:
            return
        for key in typed.lower() if typed.isprintable() else "?":
            print(key)
            yield key


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return ""
