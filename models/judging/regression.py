"""Fits an ordinal model to evidence, with an L2 penalty, by Newton's method. numpy only."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.judging.evidence import Evidence
from models.judging.ordinal import FARTHEST, GRADES, OrdinalModel

Rows = np.ndarray[Any, np.dtype[np.float64]]

PENALTY = 30.0
"""L2 penalty on the weights of standardized figures, for the sum of the losses."""
_FREE = 1e-3
"""Penalty on the offsets: only their differences are determined."""
_STEPS = 50
_CONVERGED = 1e-8


def rows_of(evidence: Sequence[Evidence], figures: Sequence[str]) -> Rows:
    """[N, F] values of the named figures."""
    return np.array([[each[name] for name in figures] for each in evidence], np.float64)


def probabilities_of(model: OrdinalModel, rows: Rows) -> Rows:
    """[N, 5] probabilities of [N, F] figures."""
    return np.array([model.probabilities_of(row) for row in rows.tolist()], np.float64)


def fit(
    rows: Rows, grades: Rows, weights: Rows, figures: Sequence[str], penalty: float = PENALTY
) -> OrdinalModel:
    """Fit a model to [N, F] figures.

    ``grades`` [N, 5] are the probabilities of a row's grade: 1 for a known one. ``weights`` [N] are
    the weights of the rows.
    """
    means, scales = rows.mean(axis=0), rows.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    inputs = np.column_stack([_standardized(rows, means, scales), np.ones(len(rows))])
    found = _minimized(inputs, grades, weights, penalty)
    one, two, three, four, five = found[-1].tolist()
    return OrdinalModel(
        figures=tuple(figures),
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(tuple(column) for column in found[:-1].T.tolist()),
        offsets=(one, two, three, four, five),
    )


def _minimized(inputs: Rows, grades: Rows, weights: Rows, penalty: float) -> Rows:
    """[F + 1, 5]: the coefficients at which the penalized loss is lowest; it is convex."""
    columns = inputs.shape[1]
    ridge = np.full(columns, penalty)
    ridge[-1] = _FREE
    found = np.zeros((columns, GRADES))

    def loss(coefficients: Rows) -> float:
        likely = np.log(np.maximum(_softmax(inputs @ coefficients), 1e-300))
        return float(-(weights[:, None] * grades * likely).sum()) + float(
            (ridge[:, None] * coefficients**2).sum() / 2
        )

    for _ in range(_STEPS):
        likely = _softmax(inputs @ found)
        slope = inputs.T @ (weights[:, None] * (likely - grades)) + ridge[:, None] * found
        curvature = np.empty((GRADES, columns, GRADES, columns))
        for one in range(GRADES):
            for other in range(GRADES):
                each = weights * likely[:, one] * ((one == other) - likely[:, other])
                curvature[one, :, other] = inputs.T @ (each[:, None] * inputs)
        flat = curvature.reshape(GRADES * columns, -1) + np.diag(np.tile(ridge, GRADES))
        step = np.linalg.solve(flat, slope.T.ravel()).reshape(GRADES, columns).T
        # A whole step may overshoot where the grades are nearly told apart.
        while loss(found - step) > loss(found) and np.abs(step).max() > _CONVERGED:
            step /= 2
        found = found - step
        if np.abs(step).max() <= _CONVERGED:
            break
    return found


def _standardized(rows: Rows, means: Rows, scales: Rows) -> Rows:
    return np.clip((rows - means) / scales, -FARTHEST, FARTHEST)


def _softmax(scores: Rows) -> Rows:
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
