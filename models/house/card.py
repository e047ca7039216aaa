"""Writes figures and samples into the model card, between its markers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.evaluation.bootstrap import Estimate
from models.house.writing import Written

_BEGIN, _END = "<!-- written by models.house.evaluate -->", "<!-- end -->"

_MEANINGS = {
    "instruction_nll": "NLL of the true instruction given its response, nats a token",
    "instruction_nll_without_response": "the same without the response",
    "instruction_nll_other_response": "the same given another response",
    "first_of_10": "true instruction first of 10, by gain from the response",
    "first_of_100": "true instruction first of 100",
    "response_nll": "NLL of the true response given its instruction, nats a token",
    "auc_random": "rating AUC, true pairs against random mismatches",
    "auc_hard": "rating AUC, true pairs against requests that share a rare word",
    "auc_borrowed": "rating AUC, true pairs against other requests with words of the response put into them",
    **{
        f"mean_rating_of_grade_{grade}": f"mean rating of grade {grade}"
        for grade in (5, 4, 3, 2, 1)
    },
    "distinct": "instructions for documentation that are distinct",
    "well_formed": "that end in a full stop or a question mark",
    "without_repetition": "that say no phrase of four words twice",
    "rated_4_or_better": "that the model itself rates 4 or better",
}


def render(
    card: Path,
    figures: Mapping[str, Mapping[str, Estimate]],
    of_documentation: Sequence[Written],
    of_pairs: Sequence[Written],
) -> None:
    """Replace what stands between the card's markers. ``figures`` are by precision, then by
    name.
    """
    before, _, rest = card.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    lines = [
        "| figure | " + " | ".join(f"{precision} | 95% interval" for precision in figures) + " |"
    ]
    lines += ["|---" * (1 + 2 * len(figures)) + "|"]
    for name in next(iter(figures.values())):
        values = [
            f"{value:.2f} | {low:.2f} to {high:.2f}"
            for value, low, high in (found[name] for found in figures.values())
        ]
        lines.append(f"| {_MEANINGS[name]} | {' | '.join(values)} |")
    lines += [
        "",
        "### Twenty held-out passages of documentation, unpicked",
        "",
        *_table(of_documentation, "heading"),
    ]
    lines += [
        "",
        "### Twenty held-out rows of the instruction data, unpicked",
        "",
        *_table(of_pairs, "true instruction"),
    ]
    card.write_text("\n".join([before + _BEGIN, *lines, _END + after]), encoding="utf-8")


def _table(written: Sequence[Written], truth: str) -> list[str]:
    rows = [f"| text | {truth} | the model writes | rates |", "|---|---|---|---|"]
    return rows + [
        f"| {_cell(each.pair.response, 90)} | {_cell(each.pair.instruction, 80)} | "
        f"{_cell(each.instruction, 200)} "
        f"| {each.rating:.1f} |"
        for each in written
    ]


def _cell(text: str, longest: int) -> str:
    flat = " ".join(text.split())
    flat = flat if len(flat) <= longest else flat[: longest - 1] + "…"
    return flat.replace("|", "\\|").replace("<", "&lt;")
