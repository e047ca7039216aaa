"""Ratings by release, their calibration, and people's ratings beside them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from schemas.records import Decision, HumanRating
from streams.report.content import Agreement, Decided, Human, Named, PrecisionAt, Rated, Reliability
from streams.report.figures.counting import histogram
from streams.report.gathering.gathered import Newest
from streams.report.gathering.item import cut

_RELEASES = 6
_BINS = 16
_DESERVING = 4
"""The lowest grade of a pair that deserves to be kept."""
_INTERVALS = 5
_LAST = 12
"""Decisions that are shown."""
_LONGEST = 300


def rated_of(ratings: Sequence[Newest], threshold: float | None) -> tuple[Rated, ...]:
    """The ratings by the releases that rated last, in the order of their terms."""
    return tuple(
        _rated(release, found, threshold) for release, found in _by_release(ratings).items()
    )


def _by_release(ratings: Sequence[Newest]) -> dict[str, list[Newest]]:
    groups: dict[tuple[int, str], list[Newest]] = {}
    for one in ratings:
        groups.setdefault((one.term, one.release), []).append(one)
    merged: dict[str, list[Newest]] = {}
    for (_, release), found in sorted(groups.items()):
        merged[release] = merged.pop(release, []) + found
    return dict(list(merged.items())[-_RELEASES:])


def _rated(release: str, ratings: Sequence[Newest], threshold: float | None) -> Rated:
    accepted = [one for one in ratings if threshold is not None and one.score >= threshold]
    curve = _curve(ratings)
    precisions = [one.precision for one in accepted if one.precision is not None]
    return Rated(
        release=release,
        pairs=len(ratings),
        mean=fmean(one.score for one in ratings),
        bins=histogram((one.score for one in ratings), 1.0, 5.0, _BINS),
        accepted=len(accepted) / len(ratings) if threshold is not None else None,
        precision=min(precisions) if precisions else None,
        expected=fmean(one.good for one in accepted) if accepted else None,
        curve=curve,
    )


def _curve(ratings: Sequence[Newest]) -> tuple[PrecisionAt, ...]:
    """The judge's estimate by score, as the ratings state it: it never falls with the score."""
    by_score: dict[float, float] = {}
    for one in ratings:
        if one.precision is not None:
            at = int(one.score * 10) / 10
            by_score[at] = min(by_score.get(at, 1.0), one.precision)
    return tuple(
        PrecisionAt(score=score, precision=precision)
        for score, precision in sorted(by_score.items())
    )


def human_of(
    human: Sequence[HumanRating],
    ratings: Mapping[str, Newest],
    decisions: Sequence[Decision],
    threshold: float | None,
) -> Human:
    """People's ratings and decisions, and how each release agrees with the ratings."""
    scores = Counter(one.score for one in human)
    pairs = [(ratings[one.id], one.score) for one in human if one.id in ratings]
    by_release: dict[str, list[tuple[Newest, int]]] = {}
    for newest, score in sorted(pairs):
        by_release.setdefault(newest.release, []).append((newest, score))
    return Human(
        ratings=len(human),
        raters=len({one.rater for one in human}),
        scores=tuple(Named(name=str(grade), count=scores[grade]) for grade in range(1, 6))
        if human
        else (),
        agreement=tuple(
            _agreement(release, found, threshold) for release, found in by_release.items()
        ),
        decisions=tuple(
            Named(name=name, count=count)
            for name, count in sorted(Counter(one.action for one in decisions).items())
        ),
        decided=tuple(
            Decided(
                action=one.action,
                by=cut(one.by, _LONGEST),
                at=one.at,
                id=one.id,
                instruction=cut(one.candidate.ruled(one.ruling).instruction, _LONGEST),
                note=cut(one.ruling.note, _LONGEST),
            )
            for one in sorted(decisions, key=lambda one: (-one.at, one.id))[:_LAST]
        ),
    )


def _agreement(
    release: str, pairs: Sequence[tuple[Newest, int]], threshold: float | None
) -> Agreement:
    accepted = [score for one, score in pairs if threshold is not None and one.score >= threshold]
    return Agreement(
        release=release,
        pairs=len(pairs),
        difference=fmean(abs(one.score - score) for one, score in pairs),
        bins=tuple(_reliability(pairs)),
        accepted=len(accepted),
        deserving=sum(1 for score in accepted if score >= _DESERVING),
    )


def _reliability(pairs: Sequence[tuple[Newest, int]]) -> list[Reliability]:
    found = []
    for place in range(_INTERVALS):
        inside = [
            (one.good, score)
            for one, score in pairs
            if min(_INTERVALS - 1, int(one.good * _INTERVALS)) == place
        ]
        if inside:
            found.append(
                Reliability(
                    low=place / _INTERVALS,
                    high=(place + 1) / _INTERVALS,
                    pairs=len(inside),
                    predicted=fmean(good for good, _ in inside),
                    observed=sum(1 for _, score in inside if score >= _DESERVING) / len(inside),
                )
            )
    return found
