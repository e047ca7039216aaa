"""The regression from evidence to grades: it finds what is there, and survives a manifest."""

import numpy as np
import pytest

from models.judging.ordinal import OrdinalModel
from models.judging.regression import fit, probabilities_of, rows_of


def _rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Figures of which the first tells the grade, and the grades."""
    generator = np.random.default_rng(0)
    grades = generator.integers(1, 6, count)
    told = grades + generator.normal(0, 0.5, count)
    return np.column_stack([told, generator.normal(0, 1, count)]), grades


def _fitted(count: int = 400, penalty: float = 1.0) -> OrdinalModel:
    rows, grades = _rows(count)
    return fit(rows, np.eye(5)[grades - 1], np.ones(count), ("told", "noise"), penalty)


def test_grades_are_told_apart() -> None:
    model = _fitted()
    expected = [
        sum(grade * p for grade, p in enumerate(model.probabilities({"told": x, "noise": 0.0}), 1))
        for x in (1.0, 2.0, 3.0, 4.0, 5.0)
    ]
    assert expected == pytest.approx([1, 2, 3, 4, 5], abs=0.35)
    assert sum(model.probabilities({"told": 3.0, "noise": 9.0})) == pytest.approx(1.0)


def test_probabilities_are_those_of_the_data() -> None:
    """The mean probability of a grade is its share: the loss has no slope at its minimum."""
    rows, grades = _rows(400)
    shares = probabilities_of(_fitted(), rows).mean(axis=0)
    assert shares == pytest.approx(np.bincount(grades, minlength=6)[1:] / 400, abs=1e-3)


def test_grades_that_are_apart_have_finite_weights() -> None:
    rows = np.repeat([[0.0], [10.0]], 20, axis=0)
    known = np.eye(5)[[0] * 20 + [4] * 20]
    model = fit(rows, known, np.ones(40), ("x",), 0.01)
    assert model.probabilities({"x": 0.0})[0] > 0.99
    assert model.probabilities({"x": 10.0})[4] > 0.99
    assert np.isfinite(model.weights).all()


def test_a_constant_figure_and_a_far_one_do_no_harm() -> None:
    rows, grades = _rows(100)
    constant = np.column_stack([rows, np.full(100, 7.0)])
    model = fit(constant, np.eye(5)[grades - 1], np.ones(100), ("told", "noise", "same"))
    far = model.probabilities({"told": 1e9, "noise": -1e9, "same": 0.0})
    assert sum(far) == pytest.approx(1.0)
    assert far[4] > 0.5


def test_uncertain_grades_and_weights_count() -> None:
    rows = np.zeros((2, 1))
    known = np.array([[1.0, 0, 0, 0, 0], [0, 0, 0, 0, 1.0]])
    model = fit(rows, known, np.array([3.0, 1.0]), ("x",))
    assert model.probabilities({"x": 0.0})[0] == pytest.approx(0.75, abs=0.01)
    halves = fit(rows, np.full((2, 5), 0.2), np.ones(2), ("x",))
    assert halves.probabilities({"x": 0.0}) == pytest.approx((0.2,) * 5)


def test_the_same_after_json() -> None:
    model = _fitted()
    read = OrdinalModel.model_validate_json(model.model_dump_json())
    evidence = {"told": 2.5, "noise": 0.1, "unknown": 3.0}
    assert read.probabilities(evidence) == model.probabilities(evidence)
    assert rows_of([evidence], model.figures).tolist() == [[2.5, 0.1]]
    with pytest.raises(KeyError, match="noise"):
        model.probabilities({"told": 1.0})
