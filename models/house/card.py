"""Writes metrics and samples into the model card, between its markers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.evaluation.cards import cell, write_between
from models.evaluation.estimate import Estimate
from models.house.writing import RatedInstruction

_BEGIN = "<!-- written by models.house.evaluate -->"

_MEANINGS = {
    "instruction_nll": "NLL of the true instruction given its response, nats a token",
    "instruction_nll_without_response": "the same without the response",
    "instruction_nll_other_response": "the same given another response",
    "first_of_10": "true instruction ranked first of 10, by gain from the response",
    "first_of_100": "true instruction ranked first of 100",
    "response_nll": "NLL of the true response given its instruction, nats a token",
    "auc_random": "rating AUC, random negatives",
    "auc_hard": "rating AUC, lexical negatives (requests that share a rare word)",
    "auc_borrowed": (
        "rating AUC, borrowed-words negatives (random requests with words of the response)"
    ),
    **{
        f"mean_rating_of_grade_{grade}": f"mean rating of grade {grade}"
        for grade in (5, 4, 3, 2, 1)
    },
    "distinct": "instructions for documentation that are distinct",
    "well_formed": "instructions that end in a full stop or a question mark",
    "without_repetition": "instructions that repeat no phrase of four words",
    "rated_4_or_better": "instructions that the model itself rates 4 or better",
}


def render(
    card: Path,
    metrics: Mapping[str, Mapping[str, Estimate]],
    of_documentation: Sequence[RatedInstruction],
    of_pairs: Sequence[RatedInstruction],
) -> None:
    """Replace the text between the card's markers.

    ``metrics`` are by precision, then by name.
    """
    lines = [
        "| metric | " + " | ".join(f"{precision} | 95% interval" for precision in metrics) + " |"
    ]
    lines += ["|---" * (1 + 2 * len(metrics)) + "|"]
    for name in next(iter(metrics.values())):
        values = [
            f"{value:.2f} | {low:.2f} to {high:.2f}"
            for value, low, high in (found[name] for found in metrics.values())
        ]
        lines.append(f"| {_MEANINGS[name]} | {' | '.join(values)} |")
    lines += [
        "",
        "### Twenty held-out passages of documentation, not selected",
        "",
        *_table(of_documentation, "heading"),
    ]
    lines += [
        "",
        "### Twenty held-out rows of the instruction data, not selected",
        "",
        *_table(of_pairs, "true instruction"),
    ]
    write_between(card, _BEGIN, lines)


def _table(written: Sequence[RatedInstruction], truth: str) -> list[str]:
    rows = [f"| text | {truth} | the model writes | rates |", "|---|---|---|---|"]
    return rows + [
        f"| {cell(each.pair.response, 90)} | {cell(each.pair.instruction, 80)} | "
        f"{cell(each.instruction, 200)} "
        f"| {each.rating:.1f} |"
        for each in written
    ]
