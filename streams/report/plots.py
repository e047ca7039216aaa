"""The plots of a report. Each has a sentence about it and a table with the same figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from streams.quantities import as_count
from streams.report.content import Bin, Human, Named, Novelty, Rated, Report, Roots, Stage
from streams.report.drawing.bars import Bar, bars, counted_bars
from streams.report.drawing.columns import Column, columns
from streams.report.drawing.curves import Axis, Curve, curves
from streams.report.drawing.sunburst import sunburst
from streams.report.drawing.svg import markup

_GRADES = Axis("rating", 1.0, 5.0, (1.0, 2.0, 3.0, 4.0, 5.0))
_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, what it shows in a sentence, and its figures as a table."""

    title: str
    says: str
    svg: Markup
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    narrow: bool = False
    """Whether two stand beside each other where there is room."""
    legend: tuple[tuple[str, str], ...] = ()
    """Classes of colours with what they stand for."""


def funnel(report: Report) -> Plot | None:
    """What the stages read and refused, down to the examples."""
    if not report.stages:
        return None
    rows, table = list[Bar](), list[tuple[str, ...]]()
    for stage in report.stages:
        if stage.source:
            rows.append(Bar(f"{stage.source} ▸ {stage.stage}", stage.read, f"{stage.read:,} read"))
        else:
            rows.append(Bar(stage.stage, 0, ""))
        table.append((stage.stage, stage.source, "read", f"{stage.read:,}"))
        for one in stage.refused:
            text = as_count(one.count, "refusal")
            rows.append(Bar(one.name, one.count, text, "refused", inner=True))
            table.append((stage.stage, stage.source, one.name, f"{one.count:,}"))
    rows.append(Bar("curated", report.examples, f"{report.examples:,} examples", "kept"))
    table.append(("all", "curated", "examples", f"{report.examples:,}"))
    says = _sentence(
        f"{stage.stage} read {stage.read:,} and made {as_count(_total(stage), 'refusal')}"
        for stage in report.stages
    )
    says += f" {report.examples:,} examples are curated."
    says += " A pair that was judged again may have several refusals, and be curated since."
    return Plot(
        "Funnel by stage and reason",
        says,
        markup(bars(rows, says)),
        ("stage", "topic", "what", "number"),
        tuple(table),
        legend=(("c0", "read"), ("refused", "refused"), ("kept", "curated")),
    )


def _total(stage: Stage) -> int:
    return sum(one.count for one in stage.refused)


def root_rings(roots: Roots) -> Plot | None:
    """Root verbs and their objects."""
    if not roots.roots:
        return None
    first = roots.roots[0]
    says = (
        f"Of {roots.english:,} English instructions, the rule finds the root of "
        f"{roots.recognised:,} and an object of {roots.with_object:,}. The most frequent root is "
        f"“{first.word}”, with {first.count:,}."
    )
    table = tuple(
        (
            one.word,
            "question" if one.question else "verb",
            f"{one.count:,}",
            ", ".join(f"{about.name} {about.count:,}" for about in one.objects),
        )
        for one in roots.roots
    )
    return Plot(
        "Root verb and object of the instructions",
        says,
        markup(sunburst(roots.roots, says)),
        ("root", "kind", "instructions", "most frequent objects"),
        table,
    )


def counts(
    title: str, names: Sequence[Named], before: Mapping[str, float], kind: str
) -> Plot | None:
    """Names with their counts and shares."""
    if not names:
        return None
    total = sum(one.count for one in names)
    says = f"{title}: most frequent is {names[0].name}, {names[0].count:,} of {total:,}."
    pairs = [(one.name, one.count) for one in names]
    table = tuple(
        (
            name,
            f"{count:,}",
            f"{count / total:.1%}",
            *([f"{before.get(name, 0.0):.1%}"] if before else []),
        )
        for name, count in pairs
    )
    head = (title, "examples", "share", *(["share before"] if before else []))
    return Plot(title, says, markup(counted_bars(pairs, says, before, kind)), head, table)


def lengths(title: str, bins: Sequence[Bin], median: float, kind: str) -> Plot | None:
    """A histogram of lengths in words."""
    if not bins:
        return None
    says = f"{title}: {median:,.0f} words in the median."
    drawn = [
        Column(
            f"{one.low:,.0f}", ((kind, one.count),), f"{_words(one)} words: {one.count:,} examples"
        )
        for one in bins
    ]
    return Plot(
        title,
        says,
        markup(columns(drawn, says, "words, from", width=460.0)),
        ("words", "examples"),
        tuple((_words(one), f"{one.count:,}") for one in bins),
        narrow=True,
    )


def _words(one: Bin) -> str:
    last = max(one.low, one.high - 1)
    return f"{one.low:,.0f}" if last == one.low else f"{one.low:,.0f} to {last:,.0f}"


def novelty(found: Novelty) -> Plot | None:
    """Shares of instructions that are new, similar to or near one before them."""
    windows = [one for one in found.windows if one.looked_at]
    if not windows:
        return None
    new = [1 - (one.similar + one.near) / one.looked_at for one in windows]
    says = (
        f"Share of instructions that are new against all before them: {new[0]:.0%} of the first "
        f"{windows[0].last:,} and {new[-1]:.0%} of the last "
        f"{windows[-1].last - windows[-1].first + 1:,}. New is a ROUGE-L below {found.similar:g} "
        f"with each, near one of {found.near:g} or more with one."
    )
    drawn, table = [], []
    for one, share in zip(windows, new, strict=True):
        similar, near = one.similar / one.looked_at, one.near / one.looked_at
        said = f"{share:.0%} new, {similar:.0%} similar, {near:.0%} near"
        parts = (("c2", share), ("c4", similar), ("refused", near))
        drawn.append(Column(f"{one.last:,}", parts, f"{one.first:,} to {one.last:,}: {said}"))
        table.append(
            (f"{one.first:,} to {one.last:,}", f"{share:.1%}", f"{similar:.1%}", f"{near:.1%}")
        )
    return Plot(
        "Novelty over time",
        says,
        markup(columns(drawn, says, "examples, in the order in which they came", percent=True)),
        ("examples", "new", "similar", "near"),
        tuple(table),
        legend=(
            ("c2", f"new: below {found.similar:g}"),
            ("c4", f"similar: {found.similar:g} to {found.near:g}"),
            ("refused", f"near: {found.near:g} or more"),
        ),
    )


def ratings(rated: Rated, threshold: float | None) -> Plot:
    """The histogram of one release's ratings."""
    says = f"{rated.release} rated {rated.pairs:,} pairs, {rated.mean:.2f} on average."
    if not rated.release:
        says = f"{rated.pairs:,} ratings, {rated.mean:.2f} on average."
    if rated.accepted is not None and threshold is not None:
        says += f" {rated.accepted:.0%} are rated {threshold:g} or more."
    if rated.precision is not None:
        says += (
            f" By its judge's calibration, {rated.precision:.0%} of pairs rated as high deserve a "
            "4 or 5."
        )
    if rated.expected is not None:
        says += f" The ratings' own probabilities say {rated.expected:.0%} of them."
    drawn = [
        Column(
            f"{one.low:g}" if one.low == int(one.low) else "",
            (("c0", one.count),),
            f"{one.low:g} to {one.high:g}: {one.count:,} pairs",
        )
        for one in rated.bins
    ]
    mark = ((threshold - 1) / 4, f"{threshold:g}") if threshold is not None else None
    return Plot(
        f"Ratings by {rated.release}" if rated.release else "Ratings",
        says,
        markup(columns(drawn, says, "rating", width=460.0, mark=mark)),
        ("rating", "pairs"),
        tuple((f"{one.low:g} to {one.high:g}", f"{one.count:,}") for one in rated.bins),
        narrow=True,
    )


def precision(rated: Sequence[Rated], threshold: float | None) -> Plot | None:
    """Estimated precision by threshold, of each release with a judge."""
    rows = [
        Curve(
            one.release,
            tuple(
                (
                    point.score,
                    point.precision,
                    f"{one.release}: {point.precision:.0%} of those rated {point.score:g} or more",
                )
                for point in one.curve
            ),
        )
        for one in rated
        if one.curve
    ]
    if not rows:
        return None
    says = "Estimated share of the pairs rated this high that deserve a 4 or 5, by the judges."
    mark = (threshold, f"threshold {threshold:g}") if threshold is not None else None
    y = Axis("deserve a 4 or 5", 0.0, 1.0, _SHARES, percent=True)
    table = tuple(
        (row.name, f"{score:g}", f"{share:.1%}") for row in rows for score, share, _ in row.points
    )
    return Plot(
        "Precision by threshold",
        says,
        markup(curves(rows, says, _GRADES, y, mark=mark)),
        ("release", "rated at least", "deserve a 4 or 5"),
        table,
        narrow=True,
    )


def reliability(human: Human) -> Plot | None:
    """Probabilities of a 4 or 5 beside the share that people gave a 4 or 5."""
    rows = [
        Curve(
            f"{one.release}, {one.pairs:,} pairs",
            tuple(
                (
                    point.predicted,
                    point.observed,
                    f"{point.pairs:,} pairs: {point.predicted:.0%} predicted, "
                    f"{point.observed:.0%} given a 4 or 5",
                )
                for point in one.bins
            ),
        )
        for one in human.agreement
        if one.bins
    ]
    if not rows:
        return None
    says = (
        "Calibration: the probability of a 4 or 5 that a release gave, and the share of those "
        "pairs that people gave a 4 or 5. On the dashed line both are equal."
    )
    x = Axis("probability of a 4 or 5", 0.0, 1.0, _SHARES, percent=True)
    y = Axis("given a 4 or 5", 0.0, 1.0, _SHARES, percent=True)
    table = tuple(
        (
            one.release,
            f"{point.low:.0%} to {point.high:.0%}",
            f"{point.pairs:,}",
            f"{point.predicted:.1%}",
            f"{point.observed:.1%}",
        )
        for one in human.agreement
        for point in one.bins
    )
    return Plot(
        "Calibration on pairs that people rated",
        says,
        markup(curves(rows, says, x, y, diagonal=True)),
        ("release", "probability", "pairs", "predicted", "given a 4 or 5"),
        table,
        narrow=True,
    )


def grades(human: Human) -> Plot | None:
    """How often people gave each grade."""
    if not human.scores:
        return None
    says = f"{human.ratings:,} ratings by {human.raters:,} people."
    drawn = [
        Column(one.name, (("c1", one.count),), f"grade {one.name}: {one.count:,}")
        for one in human.scores
    ]
    return Plot(
        "Ratings by people",
        says,
        markup(columns(drawn, says, "grade", width=460.0)),
        ("grade", "ratings"),
        tuple((one.name, f"{one.count:,}") for one in human.scores),
        narrow=True,
    )


def _sentence(parts: Iterable[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
