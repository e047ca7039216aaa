"""The report as one HTML page, which loads nothing and runs nothing.

Texts are foreign. Jinja escapes each of them, ``visible`` takes out control characters, the plots
are serialized from a tree, and the page's own policy forbids scripts, and styles but its own.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from streams.report.content import Report, Sample
from streams.report.drawing.svg import visible
from streams.report.figures.comparing import DATA_ID, Comparison, Figure, before_shares, new_share
from streams.report.plots import (
    Plot,
    counts,
    funnel,
    grades,
    lengths,
    novelty,
    precision,
    ratings,
    reliability,
    root_rings,
)

_KINDS = {
    "best": "Best-rated",
    "lowest": "Lowest-rated of the accepted ones",
    "drawn": "Drawn by chance",
    "refused": "Refused",
}
Table = tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page under a heading."""

    id: str
    title: str
    plots: Sequence[Plot] = ()
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()
    samples: Sequence[tuple[str, Sequence[Sample]]] = ()

    def __bool__(self) -> bool:
        """Whether it has anything to show."""
        return bool(self.plots or self.lines or self.tables or self.samples)


def page(report: Report, comparison: Comparison | None = None) -> str:
    """The page. Of a comparison, earlier shares are lines across the bars."""
    here = files("streams.report")
    style = here.joinpath("page.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["seen"] = lambda text: visible(str(text))
    template = environment.from_string(here.joinpath("page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        parts=[part for part in _parts(report, comparison) if part],
        numbers=_numbers(report),
        style=Markup(style),
        style_sum=f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}",
        data=htmlsafe_json_dumps(report.model_dump(mode="json")),
        data_id=DATA_ID,
    )


def _numbers(report: Report) -> list[tuple[str, str]]:
    new = new_share(report)
    return [
        ("examples", f"{report.examples:,}"),
        *([("written by people", f"{report.seeds:,}")] if report.seeds else []),
        *([("documents", f"{report.documents:,}")] if report.documents else []),
        *([("sources", f"{report.sources_count:,}")] if report.sources_count else []),
        *([("mean rating", f"{report.mean_score:.2f}")] if report.mean_score else []),
        ("words of an instruction", f"{report.instruction_words:,.0f}"),
        ("words of a response", f"{report.response_words:,.0f}"),
        *([("unlike all before", f"{new:.0%}")] if new is not None else []),
        *([("with a context", f"{report.with_context:,}")] if report.with_context else []),
        *([("with earlier turns", f"{report.with_turns:,}")] if report.with_turns else []),
    ]


def _parts(report: Report, comparison: Comparison | None) -> list[Part]:
    threshold = report.threshold
    return [
        _compared(comparison),
        Part(
            "funnel",
            "What became of the documents",
            _shown(funnel(report)),
            [
                "Read: messages that the topics hold now, of scored different pairs. The segmenter "
                "reads documents and refuses passages of them. Documents and passages are kept for "
                "seven days by default, refusals for a year, so a stage can have refused more than "
                "its topic still holds."
            ]
            if report.stages
            else [],
        ),
        Part(
            "instructions",
            "What the instructions ask for",
            _shown(
                root_rings(report.roots),
                counts(
                    "Kind of task", report.categories, before_shares(comparison, "categories"), "c0"
                ),
                counts(
                    "First words of instructions that are not English",
                    report.roots.first_words,
                    {},
                    "c7",
                ),
            ),
        ),
        Part(
            "origin",
            "Where the examples come from",
            _shown(
                counts("Source", report.sources, before_shares(comparison, "sources"), "c0"),
                counts("Language", report.languages, before_shares(comparison, "languages"), "c1"),
                counts("Made by", report.generators, before_shares(comparison, "generators"), "c6")
                if len(report.generators) > 1
                else None,
            ),
        ),
        Part(
            "lengths",
            "How long they are",
            _shown(
                lengths("Instructions", report.instruction_lengths, report.instruction_words, "c0"),
                lengths("Responses", report.response_lengths, report.response_words, "c2"),
            ),
        ),
        Part("novelty", "How new they are", _shown(novelty(report.novelty)), tables=_near(report)),
        Part(
            "ratings",
            "How they are rated",
            _shown(
                *(ratings(one, threshold) for one in report.rated),
                precision(report.rated, threshold),
                reliability(report.human),
                grades(report.human),
            ),
            tables=_human(report),
        ),
        Part("samples", "Samples", samples=_samples(report)),
    ]


def _shown(*plots: Plot | None) -> list[Plot]:
    return [one for one in plots if one is not None]


def _compared(comparison: Comparison | None) -> Part:
    if comparison is None:
        return Part("compared", "Compared")
    before = comparison.before
    tables: list[Table] = [
        ("Figures", ("figure", "before", "now", "change"), list(map(_row, comparison.figures)))
    ]
    for name, moved in comparison.moved:
        heading = f"Largest changes of share, by {name}"
        tables.append((heading, (name, "before", "now", "change"), list(map(_row, moved))))
    lines = [
        f"Compared with the report about {before.about} of {before.made_at}. Its shares are dashed "
        "lines across the bars below."
    ]
    return Part("compared", "What changed", lines=lines, tables=tables)


def _row(figure: Figure) -> tuple[str, ...]:
    if figure.percent:
        change = f"{figure.change * 100:+.1f} points"
        return figure.name, f"{figure.before:.1%}", f"{figure.now:.1%}", change
    whole = figure.change == int(figure.change)
    change = f"{figure.change:+,.0f}" if whole else f"{figure.change:+,.2f}"
    return figure.name, _number(figure.before), _number(figure.now), change


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _near(report: Report) -> list[Table]:
    rows = [
        (
            f"{pair.rouge_l:.2f}",
            pair.first.instruction,
            pair.second.instruction,
            _shared(
                pair.first.segment_id, pair.second.segment_id, pair.first.source, pair.second.source
            ),
        )
        for pair in report.novelty.neighbours
    ]
    head = ("ROUGE-L", "instruction", "nearest before it", "both from")
    swapped = [(near, second, first, shared) for near, first, second, shared in rows]
    return [("The nearest pairs of instructions", head, swapped)] if rows else []


def _shared(segment: str, other_segment: str, source: str, other_source: str) -> str:
    if segment and segment == other_segment:
        return "one passage"
    return source if source and source == other_source else ""


def _human(report: Report) -> list[Table]:
    tables: list[Table] = []
    agreement = [
        (
            one.release,
            f"{one.pairs:,}",
            f"{one.difference:.2f}",
            f"{one.deserving:,} of {one.accepted:,} ({one.deserving / one.accepted:.0%})"
            if one.accepted
            else "none was rated so high",
        )
        for one in report.human.agreement
    ]
    if agreement:
        head = (
            "release",
            "pairs that people rated",
            "mean distance, in points",
            "rated at the threshold or above, and given a 4 or 5",
        )
        tables.append(("Releases beside people", head, agreement))
    if report.human.decisions:
        decided = [(one.name, f"{one.count:,}") for one in report.human.decisions]
        tables.append(("Decisions by people", ("decision", "examples"), decided))
        last = [
            (one.action, one.by, _day(one.at), one.instruction, one.note, one.id)
            for one in report.human.decided
        ]
        columns = ("decision", "by", "on", "instruction", "note", "example")
        tables.append(("The last decisions", columns, last))
    return tables


def _day(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return ""


def _samples(report: Report) -> list[tuple[str, list[Sample]]]:
    found = [
        (title, [one for one in report.samples if one.kind == kind])
        for kind, title in _KINDS.items()
    ]
    return [(title, samples) for title, samples in found if samples]
