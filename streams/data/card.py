"""The dataset card beside an export, in the form that Hugging Face reads.

It says what is in the file, who wrote and rated it, and under which licence.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import yaml

from models.releases.checkpoints import HOUSE
from schemas.records import Decision, Example, ExampleOrigin, Original, Provenance
from schemas.release import Release
from streams.data.files import whole_file
from streams.data.samples import samples

_NO_LICENCE = "unknown"
"""Hugging Face's word for the licence where none is given."""
_QUANTILES = (0, 5, 25, 50, 75, 95, 100)
_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
_NONE_GIVEN = "Whoever exported the set has given none: `backstream export --license` does."
_TEXTS = """\
The texts were collected by whoever ran the stream; the licence of each text holds for it, \
whatever stands above. Each row names its source."""
_HOUSE = """\
Instructions or ratings came from Backstream's house model or from a release that was trained \
from it. Its card says: its
instruction data is CC BY-SA 3.0 (databricks-dolly-15k, Databricks, Inc.), and its weights are \
shared under CC BY-SA 3.0."""


@dataclass(frozen=True, slots=True)
class Export:
    """The export that a card describes."""

    file: Path
    shape: str
    """A Shape, or ``oasst``."""
    license: str | None
    """Hugging Face's name of it, such as ``cc-by-4.0``; None where none is given."""
    on: date
    acceptance: str = ""
    """How many of the last ratings the settings of the export accept; empty where unknown."""
    filters: Sequence[str] = ()
    """What was asked of the examples, in words."""
    before: int | None = None
    """How many there were before the filters; None where that is not known."""
    sides: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The files of each side of a split, ``train`` and ``test``; empty for one file."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Number of examples on each side."""
    left_out: int = 0
    """How many are on neither side, because they are related to the other one."""
    share: float | None = None
    """The training share of the split."""


def card_path(file: Path) -> Path:
    """Path of the card of an export: ``curated.card.md`` beside ``curated.jsonl``.

    It is never a README, which is the user's.
    """
    return file.with_suffix(".card.md")


def write_card(text: str, path: Path) -> Path:
    """Write a card and return its path. Raises BackstreamError where it cannot be written."""
    with whole_file(path) as file:
        file.write(text.encode())
    return path


def card(
    export: Export,
    examples: Sequence[Example],
    releases: Iterable[Release],
    decisions: Iterable[Decision] = (),
) -> str:
    """The card in Markdown, after YAML metadata.

    Deterministic for the same examples in the same order on the same day. ``releases`` are needed
    to find out which models were trained from the house model. ``decisions`` are the newest ones of
    people, about examples that are not in the set too.
    """
    rated = [example.rating for example in examples if example.rating]
    origins = Counter(example.origin for example in examples)
    written = counted(
        _writer_of(e).release or "-" for e in examples if e.origin is ExampleOrigin.AUGMENTED
    )
    turned = sum(1 for example in examples if example.turns)
    rewritten = sum(1 for example in examples if example.provenance.original)
    languages = counted(e.provenance.language for e in examples if e.provenance.language)
    sources = {example.provenance.source for example in examples} - {""}
    documents = {example.provenance.document_id for example in examples} - {""}
    parts = [
        front(
            export,
            len(examples),
            [name for name, _ in languages],
            ["instruction-backtranslation", "instruction-tuning"],
        ),
        f"# {export.file.stem}",
        "Instruction-tuning examples made by Backstream with [instruction "
        "backtranslation](https://arxiv.org/abs/2308.06259): "
        "the responses are passages of texts, or parts of a passage that is their context, a model "
        "wrote the instruction that each answers, and a model rated the pair from "
        f"1 to 5. Exported on {export.on.isoformat()} to `{export.file.name}`, in the shape "
        f"`{export.shape}`.",
        *applied(export, len(examples)),
        "## Examples",
        table(
            ("", "examples"),
            [
                ("all", len(examples)),
                ("written by people (seeds)", origins[ExampleOrigin.SEED]),
                ("written by the loop (augmented)", origins[ExampleOrigin.AUGMENTED]),
                ("with a context", sum(1 for example in examples if example.context)),
                *([("with earlier turns", turned)] if turned else []),
                *([("with a response that a model rewrote", rewritten)] if rewritten else []),
            ],
        ),
        f"They come from {len(sources):,} sources and {len(documents):,} documents.",
        table(("category", "examples"), counted(e.category for e in examples if e.category)),
        table(("language", "examples"), languages),
        table(
            ("made by", "examples"),
            counted(
                e.provenance.generator for e in examples if e.origin is ExampleOrigin.AUGMENTED
            ),
        ),
        *_agreement([e.confidence for e in examples if e.confidence is not None]),
        "## Who wrote the instructions",
        table(("release", "examples"), written) if written else _by_people(examples),
        table(
            ("template", "examples"),
            counted(_writer_of(e).template for e in examples if _writer_of(e).template),
        ),
        "## Ratings",
        f"{len(rated):,} examples are rated; those written by people need no rating.",
        *_limits([example for example in examples if example.rating]),
        *([f"By the settings of this export, {export.acceptance}."] if export.acceptance else []),
        *_precision([rating.precision for rating in rated if rating.precision is not None]),
    ]
    if rated:
        scores = np.quantile([rating.score for rating in rated], [q / 100 for q in _QUANTILES])
        parts += [
            table(
                ("quantile", "score"),
                [(f"{q}%", f"{score:.2f}") for q, score in zip(_QUANTILES, scores, strict=True)],
            ),
            table(("rated by", "examples"), counted(rating.release for rating in rated)),
            table(("template", "examples"), counted(rating.template for rating in rated)),
        ]
    parts += [*_decided(decisions), *samples(examples)]
    used = {name for name, _ in written} | {rating.release for rating in rated}
    parts += licence(export, used, releases)
    return "\n\n".join(part for part in parts if part) + "\n"


def _by_people(examples: Sequence[Example]) -> str:
    """Who wrote the instructions where no model did."""
    return "People alone." if examples else "There is none."


def _writer_of(example: Example) -> Provenance | Original:
    """What names the release and the template that wrote the instruction."""
    return example.provenance.original or example.provenance


def _agreement(confidences: Sequence[float]) -> list[str]:
    if not confidences:
        return []
    return [
        f"{len(confidences):,} examples have a confidence, the share of a model's answers to the "
        f"question that agree with the response: {min(confidences):.2f} to "
        f"{max(confidences):.2f}, {sum(confidences) / len(confidences):.2f} on average."
    ]


def _limits(rated: Sequence[Example]) -> list[str]:
    """The limits that were applied when the examples were kept, as the examples name them."""
    if not rated:
        return []
    found = counted(map(_limit, rated))
    if len(found) == 1:
        return [f"The curator applied one limit to all of them: {found[0][0]}."]
    return ["The curator applied several limits to them:", table(("limit", "examples"), found)]


def _limit(example: Example) -> str:
    if example.target_precision is not None:
        return (
            f"rated so high that an estimated {example.target_precision:.0%} of such pairs deserve "
            "a 4 or 5"
        )
    if example.threshold is not None:
        return f"rated {example.threshold:g} or more"
    return "none, or not recorded"


def _precision(estimated: Sequence[float]) -> list[str]:
    """What the judges' calibrations say of the lowest kept rating."""
    if not estimated:
        return []
    return [
        "Of pairs that are rated at least as high as the lowest of "
        f"{len(estimated):,} of these, an estimated {min(estimated):.0%} deserve a 4 or 5. The "
        "estimate is that of the judge of the release that rated: of pairs that people rated, "
        "where the judge has learned from some, else of graded human pairs, each grade counted "
        "alike. Of the latter more may deserve it than of what a model wrote."
    ]


def front(export: Export, count: int, languages: Sequence[str], tags: Sequence[str]) -> str:
    """The metadata that Hugging Face reads."""
    files: object = export.file.name
    if export.sides:
        files = [{"split": side, "path": list(paths)} for side, paths in export.sides.items()]
    facts = {
        "license": export.license or _NO_LICENCE,
        **({"language": list(languages)} if languages else {}),
        "size_categories": [_size(count)],
        "task_categories": ["text-generation"],
        "tags": ["backstream", *tags, "synthetic"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)}---"


def applied(export: Export, count: int) -> list[str]:
    """The filters and the split, in words; empty without any."""
    parts = []
    if export.filters:
        of = f" of {export.before:,}" if export.before is not None else ""
        asked = "\n".join(f"- {words}" for words in export.filters)
        parts.append(f"The export has the {count:,}{of} examples with:\n\n{asked}")
    if export.share is not None:
        sides = ", ".join(f"{count:,} in `{side}`" for side, count in export.counts.items())
        parts.append(
            f"They are split by the hash of their document, conversation or request, with "
            f"{export.share:g} of these for training: {sides}. {export.left_out:,} are on neither "
            "side, because their passage is on the other one too."
        )
    return ["## What was applied", *parts] if parts else []


def licence(export: Export, used: set[str], releases: Iterable[Release]) -> list[str]:
    """What the card says about licences. ``used`` are the releases that wrote or rated."""
    given = f"`{export.license}`, as whoever exported it says."
    parts = ["## Licence", given if export.license else _NONE_GIVEN, _TEXTS]
    return [*parts, _HOUSE] if _from_house(used, releases) else parts


def _decided(decisions: Iterable[Decision]) -> list[str]:
    """How many examples people decided about."""
    counts = Counter(decision.action for decision in decisions)
    names = (("accept", "accepted"), ("edit", "edited"), ("drop", "dropped"))
    rows = [(name, counts[action]) for action, name in names if counts[action]]
    if not rows:
        return []
    said = "People decided about examples, before any filter; what they dropped is not in the set."
    return ["## Decisions of people", said, table(("decision", "examples"), rows)]


def _size(count: int) -> str:
    """Hugging Face's size category for a number of rows."""
    above = [10 ** (3 + step) for step in range(len(_SIZES)) if count >= 10 ** (3 + step)]
    if not above:
        return f"n<{_SIZES[0]}"
    step = len(above)
    return f"{_SIZES[step - 1]}<n<{_SIZES[step]}" if step < len(_SIZES) else f"n>{_SIZES[-1]}"


def counted(names: Iterable[str]) -> list[tuple[str, int]]:
    """Names with their counts, the most frequent first."""
    return sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))


def table(head: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    """A table of two columns in Markdown; empty without rows."""
    lines = [
        f"| {_cell(name)} | {value:,} |"
        if isinstance(value, int)
        else f"| {_cell(name)} | {value} |"
        for name, value in rows
    ]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---:|", *lines]) if lines else ""


def _cell(text: str) -> str:
    """A name as a cell, which ends neither with a bar nor with a line in it."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _from_house(used: set[str], releases: Iterable[Release]) -> bool:
    """Whether one of the releases in use is the house model or was trained from it."""
    bases = {release.id: release.base for release in releases}
    return any(bases.get(id, id).startswith(f"{HOUSE}-") for id in used)
