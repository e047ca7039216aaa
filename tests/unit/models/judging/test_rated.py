"""Judges that learn from pairs that people rated, and the file that holds the evidence."""

from pathlib import Path

import numpy as np
import pytest

from models.judging.evidence import EvidenceKind
from models.judging.fitting import FEWEST_RATED, GradedEvidence, fit_to
from models.judging.judge import SAME_SCALE, VERSION, Judges, Scale
from models.judging.rated import (
    RATED_FILE,
    RatedEvidence,
    passage_hash,
    read_rated,
    write_rated,
)
from models.seeds.labelled import KINDS
from schemas.errors import ModelError

_GRADES = (5, 4, 3, 2, 1, 2, 1, 2)
_FIGURES = EvidenceKind.COMBINED.figures


def _evidence(numbers: np.random.Generator, grade: float, told: float) -> dict[str, float]:
    """Figures of which the first tells ``told`` of the grade, and the others nothing."""
    values = numbers.normal(size=len(_FIGURES))
    values[0] += told * (grade - 3)
    return dict(zip(_FIGURES, values.tolist(), strict=True))


def _graded() -> list[GradedEvidence]:
    numbers = np.random.default_rng(1)
    return [
        GradedEvidence(source, kind, grade, _evidence(numbers, grade, 2.0))
        for source in range(20)
        for kind, grade in zip(KINDS, _GRADES, strict=True)
    ]


def _rated(count: int, told: float) -> list[RatedEvidence]:
    """Ratings of which two fifths are a 4 or 5."""
    numbers = np.random.default_rng(2)
    return [
        RatedEvidence(
            id=str(number),
            passage=passage_hash(f"passage {number // 2}"),
            score=1 + number % 5,
            evidence=_evidence(numbers, 1 + number % 5, told),
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def learned() -> Judges:
    found = fit_to(_graded(), _rated(200, 0.7))
    assert found is not None
    return found


def test_as_many_reach_a_grade_as_people_gave_it(learned: Judges) -> None:
    assert learned.rated_pairs == 200
    judge = learned.combined
    assert judge.figures["rated_deserving"] == pytest.approx(0.4)
    assert judge.figures["rated_accepted"] == pytest.approx(0.4, abs=0.01)
    assert judge.figures["rated_correlation"] > 0.4
    assert judge.figures["auc_random"] > 0.9
    assert {point.threshold: point.acceptance for point in judge.curve}[4.0] == pytest.approx(
        0.4, abs=0.01
    )
    assert 0.4 < judge.at(4.0).precision < 0.9, "the precision is that of rated pairs"


def test_a_rating_has_the_order_of_the_expected_grade(learned: Judges) -> None:
    judge = learned.combined
    assert judge.scale != SAME_SCALE
    ratings = [judge.scale.applied(each) for each in np.linspace(1, 5, 100).tolist()]
    assert (np.diff(ratings) > 0).all(), "no two are made alike"
    assert (ratings[0], ratings[-1]) == (1.0, 5.0)
    evidence = [each.evidence for each in _rated(10, 0.7)]
    scores = [judge.score(judge.model.probabilities(each)) for each in evidence]
    assert judge.ratings(evidence) == pytest.approx(scores)


def test_few_ratings_change_nothing() -> None:
    few = fit_to(_graded(), _rated(FEWEST_RATED - 1, 0.7))
    assert few == fit_to(_graded())
    assert few is not None
    assert (few.rated_pairs, few.combined.scale) == (0, SAME_SCALE)


def test_ratings_that_nothing_tells_are_not_equated() -> None:
    found = fit_to(_graded(), _rated(100, 0.0))
    assert found is not None
    assert found.combined.scale == SAME_SCALE
    assert found.combined.figures["rated_accepted"] < 0.4


def test_a_scale_of_ratings_without_some_grades_still_rises() -> None:
    alike = [each.model_copy(update={"score": 1 + 3 * (each.score > 3)}) for each in _rated(100, 2)]
    found = fit_to(_graded(), alike)
    assert found is not None
    assert 1 <= found.combined.scale.two < found.combined.scale.three < found.combined.scale.four
    assert [Scale(2, 3, 4).applied(each) for each in (1.0, 2.5, 5.0)] == [1, 2.5, 5]


@pytest.mark.parametrize("expected", [0.5, 1.0, 1.2, 1.5, 2.0, 2.9, 3.0, 4.1, 4.9, 5.0, 5.5])
def test_a_scale_lies_on_lines_between_its_grades(expected: float) -> None:
    scale = Scale(1.5, 2.25, 4.1)
    lines = np.interp(expected, (1.0, *scale, 5.0), (1.0, 2.0, 3.0, 4.0, 5.0))
    assert scale.applied(expected) == pytest.approx(float(lines), abs=1e-12)


def test_the_file_holds_figures_and_no_texts(tmp_path: Path) -> None:
    assert read_rated(tmp_path) == []
    write_rated(tmp_path, [])
    assert not (tmp_path / RATED_FILE).exists()
    rated = _rated(12, 1.0)
    write_rated(tmp_path, reversed(rated))
    found = {each.id: each for each in read_rated(tmp_path)}
    assert found.keys() == {each.id for each in rated}
    for each in rated:
        assert found[each.id].score == each.score
        assert found[each.id].evidence == pytest.approx(each.evidence, rel=1e-4)
    older = [each.model_copy(update={"version": VERSION - 1}) for each in rated[:3]]
    write_rated(tmp_path, [*older, *rated[3:]])
    assert len(read_rated(tmp_path)) == 9, "their figures have another meaning"
    write_rated(tmp_path, rated)
    again = tmp_path / "again"
    again.mkdir()
    write_rated(again, found.values())
    assert (again / RATED_FILE).read_bytes() == (tmp_path / RATED_FILE).read_bytes()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing", "rated.jsonl:2 is not a rated pair"),
        ('{"id": "a", "passage": "0", "score": 6, "evidence": {}}', "2 is not a rated pair: score"),
        (
            '{"id": "a", "passage": "0", "score": 5, "evidence": {}}',
            "lacks the figure forward_gain",
        ),
        ('{"id": "a", "passage": "no hash", "score": 5, "evidence": {}}', "rated pair: passage"),
    ],
)
def test_a_line_that_is_none_is_named(line: str, message: str, tmp_path: Path) -> None:
    write_rated(tmp_path, _rated(1, 1.0))
    with (tmp_path / RATED_FILE).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(ModelError, match=message):
        read_rated(tmp_path)
