"""Releases and their ratings: histograms, and agreement with people."""

import math
import sqlite3

from schemas.release import Release, ReleaseStatus
from streams.page.store.stream_views import (
    CalibrationView,
    Histogram,
    Promise,
    ReleaseView,
    ReliabilityBin,
    ScoreBin,
)

_LOWEST, _HIGHEST = 1.0, 5.0
_KEPT = 4
"""Lowest human rating of a pair that deserves to be kept."""
_Z = 1.96
_MOST_BINS = 400


def releases_of(database: sqlite3.Connection) -> tuple[ReleaseView, ...]:
    """See ``Store.releases``."""
    announced = [
        Release.model_validate_json(data)
        for (data,) in database.execute("SELECT data FROM releases ORDER BY term DESC")
    ]
    deployed: dict[str, str] = {}
    for release in announced:
        if release.status is ReleaseStatus.IN_SERVICE:
            deployed.setdefault(release.base, release.id)
    rated = dict(database.execute("SELECT release, count(*) FROM ratings GROUP BY release"))
    accepted = dict(
        database.execute(
            "SELECT release, count(*) FROM items WHERE verdict = 'accepted' AND release <> ''"
            " GROUP BY release"
        )
    )
    by_id: dict[str, Release | None] = {release.id: release for release in announced}
    ids = [*by_id, *sorted(set(rated) - set(by_id))]
    return tuple(
        ReleaseView(
            id,
            deployed=id in deployed.values(),
            rated=rated.get(id, 0),
            accepted=accepted.get(id, 0),
            release=by_id.get(id),
        )
        for id in ids
    )


def histogram_of(database: sqlite3.Connection, release: str, bins: int) -> Histogram:
    """See ``Store.scores``."""
    bins = min(max(1, bins), _MOST_BINS)
    width = (_HIGHEST - _LOWEST) / bins
    counts = {
        (number, verdict): count
        for number, verdict, count in database.execute(
            # The small number is for scores that end a bin and are not exact in binary.
            "SELECT min(cast((r.score - ?) / ? + 1e-9 AS INTEGER), ?), i.verdict, count(*)"
            " FROM ratings r JOIN items i USING (number) WHERE r.release = ? GROUP BY 1, 2",
            (_LOWEST, width, bins - 1, release),
        )
    }
    mean, ratings = database.execute(
        "SELECT avg(score), count(*) FROM ratings WHERE release = ?", (release,)
    ).fetchone()
    return Histogram(
        release,
        tuple(
            ScoreBin(
                low=_LOWEST + number * width,
                high=_LOWEST + (number + 1) * width,
                accepted=counts.get((number, "accepted"), 0),
                refused=counts.get((number, "refused"), 0),
                other=counts.get((number, "dropped"), 0) + counts.get((number, "waiting"), 0),
            )
            for number in range(bins)
        ),
        ratings,
        mean,
    )


def calibration_of(
    database: sqlite3.Connection, release: str, bins: int, promise: Promise
) -> CalibrationView:
    """See ``Store.calibration``."""
    rows = [
        (score, human, precision)
        for score, human, precision in database.execute(
            # Joined in this order: people rate few.
            "SELECT r.score, h.score, r.precision FROM human_ratings h"
            " CROSS JOIN items i ON i.id = h.id CROSS JOIN ratings r ON r.number = i.number"
            " WHERE r.release = ?",
            (release,),
        )
    ]
    bins = min(max(1, bins), _MOST_BINS)
    width = (_HIGHEST - _LOWEST) / bins
    by_bin: dict[int, list[tuple[float, int, float | None]]] = {}
    for row in rows:
        by_bin.setdefault(min(int((row[0] - _LOWEST) / width + 1e-9), bins - 1), []).append(row)
    return CalibrationView(
        release=release,
        bins=tuple(
            _reliability(_LOWEST + number * width, _LOWEST + (number + 1) * width, found)
            for number, found in sorted(by_bin.items())
        ),
        pairs=len(rows),
        mean_error=sum(abs(score - human) for score, human, _ in rows) / len(rows)
        if rows
        else None,
        promise=promise,
    )


def _reliability(
    low: float, high: float, rows: list[tuple[float, int, float | None]]
) -> ReliabilityBin:
    pairs = len(rows)
    kept = sum(human >= _KEPT for _, human, _ in rows)
    promised = [precision for _, _, precision in rows if precision is not None]
    lower, upper = wilson(kept, pairs)
    return ReliabilityBin(
        low,
        high,
        pairs,
        score=sum(score for score, _, _ in rows) / pairs,
        human=sum(human for _, human, _ in rows) / pairs,
        kept_share=kept / pairs,
        kept_low=lower,
        kept_high=upper,
        promised=sum(promised) / len(promised) if promised else None,
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson, 1927)."""
    share, z = successes / trials, _Z
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    half /= 1 + z * z / trials
    return max(0.0, centre - half), min(1.0, centre + half)
