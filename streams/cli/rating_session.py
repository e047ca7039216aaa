"""A session of ``rate``: shows one pair after the other and writes the answers."""

import pydoc
import re
import shutil
import sys
from collections.abc import Iterator, Sequence

import typer
from rich.console import Console
from rich.text import Text

from agents.figures import as_score
from models.prompts.tasks.rating import DIGITS, SCALE
from schemas.records import Scored
from schemas.turns import transcript
from streams.data.judging import Judging
from streams.quantities import as_count

_SHOWN_LINES = 24
"""Lines of a pair that are shown where there is no terminal, which has a height of its own."""
_LEAST_LINES = 3
"""Lines of each part that are shown on the smallest screen."""
_AROUND = 6
"""Lines of the screen that the pair does not have: its number, the keys and blank ones."""
_KEYS = "1-5 rate · w show the whole pair · s skip · u take the last one back · q quit"
# The text of a passage is untrusted: it must not move the cursor or colour the screen.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNSEEN = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Marks that turn the direction of the text around them, or that hide in it."""


def ask_about(
    pairs: Sequence[Scored], judging: Judging, rater: str, answers: Iterator[str]
) -> dict[int, int]:
    """Ask about each pair until the answers end, and write each rating.

    A pair fills one screen at most; the key ``w`` shows the whole pair, in a pager on a terminal.

    Returns the given scores by the position of the pair. Raises BrokerError.
    """
    given: dict[int, int] = {}
    print(f"How well does the answer serve the request?\n{SCALE}")
    at, shown = 0, -1
    while at < len(pairs):
        if shown != at:
            text = _on_screen(pairs[at])
            print(f"\n── {at + 1} of {len(pairs)} ──\n{text}\n\n{_KEYS}", flush=True)
            shown = at
        answer = next(answers, "q")
        if answer in DIGITS:
            judging.rate(pairs[at], int(answer), rater)
            given[at] = int(answer)
            at += 1
        elif answer == "s":
            at += 1
        elif answer == "w":
            _show_whole(pairs[at])
        elif answer == "u" and given:
            at, _ = given.popitem()
            shown = -1
            judging.take_back(pairs[at].id, rater)
        elif answer == "q":
            break
        elif answer == "u":
            print("nothing to take back", flush=True)
        else:
            print(f"{_named(answer)} is not a key here. {_KEYS}", flush=True)
    return given


def print_report(pairs: Sequence[Scored], given: dict[int, int], threshold: float) -> None:
    """Print the given scores beside the models' ratings, and what they decide."""
    print("\nyou  model")
    for at, score in given.items():
        request = " ".join(_harmless(pairs[at].candidate.instruction).split())
        print(f"{score:>3}  {as_score(pairs[at].rating.score):>5}  {request[:100]}")
    errors = [abs(score - pairs[at].rating.score) for at, score in given.items()]
    mean = ""
    if errors:
        mean = f", {sum(errors) / len(errors):.2f} points from the models on average"
    print(f"{as_count(len(given), 'pair')} rated{mean}")
    if given:
        print(_decided(given, threshold))


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


def _decided(given: dict[int, int], threshold: float) -> str:
    """What the ratings decide, in a sentence."""
    dropped = sum(score < threshold for score in given.values())
    accepted = len(given) - dropped
    said = []
    if dropped:
        verb = "is" if dropped == 1 else "are"
        said.append(
            f"{as_count(dropped, 'pair')} below the threshold of {threshold:g} {verb} dropped"
        )
    if accepted:
        verb = "is" if accepted == 1 else "are"
        said.append(f"{as_count(accepted, 'pair')} at or above it {verb} accepted")
    return (
        f"{' and '.join(said)}, whatever a model rates later. `backstream undo ID` takes one back."
    )


def _named(answer: str) -> str:
    return "that" if answer in ("?", "") else repr(answer[:20])


def _show_whole(pair: Scored) -> None:
    text = "\n\n".join(f"{name}:\n{part}" for name, part in _parts(pair))
    if sys.stdin.isatty() and sys.stdout.isatty():
        pydoc.pager(text)
    else:
        print(text, flush=True)


def _on_screen(pair: Scored) -> str:
    """The parts of a pair, so that all of them fit on the screen together.

    Where they do not, the longest parts are cut, and say by how much.
    """
    size = shutil.get_terminal_size((100, _SHOWN_LINES + _AROUND))
    parts = [(name, _wrapped(text, max(20, size.columns))) for name, text in _parts(pair)]
    left = size.lines - _AROUND - 3 * len(parts)
    shares = _shares([len(lines) for _, lines in parts], left)
    return "\n\n".join(
        f"{name}:\n{_cut(lines, share)}" for (name, lines), share in zip(parts, shares, strict=True)
    )


def _shares(lengths: Sequence[int], left: int) -> list[int]:
    """How many lines each part gets: the short ones all, the long ones the same of what is left."""
    shares = [0] * len(lengths)
    for place, at in enumerate(sorted(range(len(lengths)), key=lambda at: lengths[at])):
        fair = max(_LEAST_LINES, left // (len(lengths) - place))
        shares[at] = min(lengths[at], fair)
        left -= shares[at]
    return shares


def _parts(pair: Scored) -> list[tuple[str, str]]:
    candidate = pair.candidate
    parts = [
        ("Said before", transcript(candidate.turns)),
        ("Request", candidate.instruction),
        ("Given", candidate.context),
        ("Answer", candidate.response),
    ]
    return [(name, _harmless(text)) for name, text in parts if text]


def _harmless(text: str) -> str:
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", _CONTROL.sub("", text))


def _wrapped(text: str, columns: int) -> list[str]:
    """The lines of a text on a screen. A character of Chinese has two columns."""
    console = Console(width=columns)
    return [
        part.plain
        for line in text.splitlines()
        for part in Text(line, tab_size=8).wrap(console, columns) or [Text()]
    ]


def _cut(lines: Sequence[str], most: int) -> str:
    if len(lines) <= most:
        return "\n".join(lines)
    shown = most - 1  # and one that says what is left
    left = as_count(len(lines) - shown, "more line")
    return "\n".join([*lines[:shown], f"… ({left}: w)"])
