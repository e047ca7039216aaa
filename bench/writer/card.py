"""Writes the figures and samples into the writer's card, between its markers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.evaluation.cards import cell, write_between
from models.evaluation.estimate import Estimate

_BEGIN = "<!-- written by bench.writer -->"
_MEANINGS = {
    "nll_character": "NLL of the true instruction given its response, nats a character",
    "nll_character_alone": "the same given an empty response",
    "nll_token": "NLL given its response, nats a token (of different tokenizers)",
    "first_of_10": "true instruction ranked first of 10",
    "rank": "its mean rank, 1 to 10",
    "well_formed": "instructions that end in a full stop or a question mark",
    "without_repetition": "that repeat no phrase of four words",
    "passes_rules": "that pass the curator's rules on instructions",
    "distinct": "that are distinct",
    "commonest_opening": "share of the commonest opening of two words",
    "other_than_what_how": "that begin with another word than what or how",
    "words": "mean number of words",
}
_TEXT, _TRUE, _WRITTEN = 90, 80, 220
"""Characters of a cell."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text with the instruction that the model wrote for it."""

    text: str
    true: str
    """The true instruction, or the heading of a passage."""
    written: str


@dataclass(frozen=True, slots=True)
class Column:
    """The figures of a model."""

    name: str
    figures: Mapping[str, Estimate]
    counts: str
    """How many rows and passages they are of."""
    openings: Sequence[tuple[str, int]]


def render(
    card: Path,
    columns: Sequence[Column],
    of_documentation: Sequence[Sample],
    of_rows: Sequence[Sample],
) -> None:
    """Replace the text between the card's markers."""
    lines = [
        *_figures(columns),
        "",
        "The commonest openings:",
        "",
        *(
            f"- {column.name}: "
            + ", ".join(f"{words} ({count})" for words, count in column.openings)
            for column in columns
        ),
        "",
        f"### {len(of_documentation)} passages of documentation, not selected",
        "",
        *_table(of_documentation, "headings"),
        "",
        f"### {len(of_rows)} held-out rows of the instruction data, not selected",
        "",
        *_table(of_rows, "true instruction"),
    ]
    write_between(card, _BEGIN, lines)


def _figures(columns: Sequence[Column]) -> list[str]:
    names = " | ".join(column.name for column in columns)
    rows = [f"| | {names} |", "|---" * (1 + len(columns)) + "|"]
    rows.append(f"| rows; passages | {' | '.join(column.counts for column in columns)} |")
    for name, meaning in _MEANINGS.items():
        cells = (_estimate(column.figures.get(name)) for column in columns)
        rows.append(f"| {meaning} | {' | '.join(cells)} |")
    return rows


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "not measured"
    value, low, high = found
    return f"{value:.2f}" if low == high else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _table(samples: Sequence[Sample], truth: str) -> list[str]:
    rows = [f"| text | {truth} | the model writes |", "|---|---|---|"]
    return rows + [
        f"| {cell(one.text, _TEXT)} | {cell(one.true, _TRUE)} | {cell(one.written, _WRITTEN)} |"
        for one in samples
    ]
