"""Fitting, measuring and rating with an engine that knows which texts belong together."""

import asyncio
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from models.engine import DigitProbabilities, Engine, Generation
from models.judging.criterion import Criterion
from models.judging.evidence import LIKELIHOOD_FIGURES, EvidenceKind
from models.judging.examiner import Examiner
from models.judging.fitting import FEWEST_SOURCES, fit_to
from models.judging.gathering import gather
from models.judging.judge import Judges
from models.judging.quality import balanced, figures_of, operating_points
from models.judging.rater import Rater
from models.prompts.layout import Prompter
from models.prompts.template import Task
from models.releases.release import Manifest
from models.sampling import Sampling
from models.seeds.labelled import KINDS, every_kind, some_kinds
from models.seeds.pairs import Pair
from schemas.errors import ModelError, PromptTooLong
from schemas.turns import Turn
from tests.unit.checkpoints import make_tokenizer

_WORDS = ("lake", "boat", "road", "bell", "loaf", "song", "book", "lamp", "tree", "coat", "ship")
_PAIRS = [
    Pair(
        f"How do people use the {one} with a {other}?",
        f"People use a {one} often. They put the {other} beside it. Then the {one} is ready.",
    )
    for one, other in zip(_WORDS, reversed(_WORDS), strict=True)
    if one != other
] + [
    Pair(f"Why is the {word} old?", f"The {word} was made long ago. It lasted. People kept it.")
    for word in _WORDS
]


class _Engine:
    """Answers by how many words prompt and target have in common, with some noise."""

    def __init__(self, prompter: Prompter) -> None:
        self.prompter = prompter
        self.scored: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.broken = False

    async def score(
        self, prompt: Sequence[int], target: Sequence[int], priority: int = 0
    ) -> tuple[float, ...]:
        await asyncio.sleep(0)
        self.scored.append((tuple(prompt), tuple(target)))
        if self.broken:
            return (float("nan"),) * len(target)
        known, wanted = self._words(prompt), self._words(target)
        nats = 4.0 - 3.0 * len(known & wanted) / max(1, len(wanted))
        noise = random.Random(str((*prompt, *target)))
        return tuple(nats + noise.gauss(0, 0.3) for _ in target)

    async def rate(
        self, prompt: Sequence[int], digit_ids: Sequence[int], priority: int = 0
    ) -> DigitProbabilities:
        return DigitProbabilities((0.1, 0.1, 0.2, 0.3, 0.3), 0.5)

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Generation:
        if len(prompt) > 2000:
            raise PromptTooLong("too long")
        return Generation(tuple(prompt[10:60]), next(iter(stop_ids)))

    def _words(self, ids: Sequence[int]) -> set[str]:
        return {
            word for word in self.prompter.decode(list(ids)).split() if word.strip(".?") in _WORDS
        }


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> Prompter:
    directory: Path = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(directory)
    return Prompter.load(directory)


@pytest.fixture
def engine(prompter: Prompter) -> Any:
    return _Engine(prompter)


@pytest.fixture(scope="module")
def judges(prompter: Prompter) -> Judges:
    engine = cast(Engine, _Engine(prompter))
    found = fit_to(asyncio.run(gather(engine, prompter, _PAIRS)))
    assert found is not None
    return found


def test_judges_tell_what_belongs_together(judges: Judges) -> None:
    assert judges.human_pairs == len(_PAIRS)
    for judge in (judges.combined, judges.likelihood):
        assert judge.figures["auc_random"] > 0.8
        assert judge.figures["correlation"] > 0.4
    assert judges.digits["auc_random"] == 0.5, "the digits are always the same"
    assert judges.of(EvidenceKind.DIGITS) is None
    assert judges.of(EvidenceKind.COMBINED) is judges.combined
    assert judges.model_copy(update={"version": 0}).of(EvidenceKind.COMBINED) is None


async def test_too_few_pairs_give_no_judge(prompter: Prompter, engine: Any) -> None:
    few = await gather(engine, prompter, _PAIRS[: FEWEST_SOURCES - 1])
    assert fit_to(few) is None
    engine.broken = True
    assert await gather(engine, prompter, _PAIRS) == []


async def test_what_the_release_writes_is_graded_or_not(prompter: Prompter, engine: Any) -> None:
    found = await gather(engine, prompter, _PAIRS)
    kinds = [each.kind for each in found if each.source == 0]
    assert sorted(kinds) == sorted(
        [each.kind for each in some_kinds(_PAIRS) if each.source == 0]
        + ["written", "written_for_another"]
    )
    assert {each.grade for each in found if each.kind == "written"} == {None}
    assert {each.grade for each in found if each.kind == "written_for_another"} == {1}


async def test_a_rating_has_its_evidence(judges: Judges, prompter: Prompter, engine: Any) -> None:
    rater = Rater(Examiner(engine, prompter), EvidenceKind.COMBINED, judges)
    good = await rater.rate(_PAIRS[0].instruction, _PAIRS[0].response, None)
    bad = await rater.rate(_PAIRS[3].instruction, _PAIRS[0].response, None)
    assert good.score > bad.score
    assert good.score == pytest.approx(sum(n * p for n, p in enumerate(good.probabilities, 1)))
    assert tuple(good.evidence) == EvidenceKind.COMBINED.figures
    assert good.digit_mass == pytest.approx(0.5)
    assert good.precision is not None
    assert bad.precision is not None
    assert good.precision >= bad.precision


async def test_likelihoods_alone_need_no_digits(
    judges: Judges, prompter: Prompter, engine: Any
) -> None:
    rater = Rater(Examiner(engine, prompter), EvidenceKind.LIKELIHOOD, judges)
    found = await rater.rate(_PAIRS[0].instruction, _PAIRS[0].response, None)
    assert tuple(found.evidence) == tuple(LIKELIHOOD_FIGURES)
    assert found.digit_mass == 1.0


async def test_without_a_judge_the_digits_rate(prompter: Prompter, engine: Any) -> None:
    rater = Rater(Examiner(engine, prompter), EvidenceKind.COMBINED, None)
    assert (rater.kind, rater.judge) == (EvidenceKind.DIGITS, None)
    found = await rater.rate("What?", "That.", None)
    assert found.score == pytest.approx(3.6)
    assert (found.evidence, found.precision, engine.scored) == ({}, None, [])


async def test_a_passage_alone_is_scored_once(
    judges: Judges, prompter: Prompter, engine: Any
) -> None:
    rater = Rater(Examiner(engine, prompter), EvidenceKind.COMBINED, judges)
    passage, other = _PAIRS[0].response, "A note."
    await asyncio.gather(*(rater.rate(f"Why {n}?", passage, None) for n in range(3)))
    await rater.rate("Why not?", passage, None)
    alone = tuple(prompter.nothing(Task.FORWARD)), tuple(prompter.target(passage))
    assert engine.scored.count(alone) == 1
    await rater.rate("Why not?", passage, other)
    given = tuple(prompter.nothing(Task.FORWARD, other)), tuple(prompter.target(passage))
    assert engine.scored.count(given) == 1, "a context belongs to what it is computed from"


async def test_every_likelihood_is_given_what_was_said_before(
    judges: Judges, prompter: Prompter, engine: Any
) -> None:
    rater = Rater(Examiner(engine, prompter), EvidenceKind.LIKELIHOOD, judges)
    said = (Turn(role="user", text="A lake?"), Turn(role="assistant", text="A boat."))
    asked, answered = "Why?", "Because."
    await rater.rate(asked, answered, None, turns=said)
    assert {(prompt, target) for prompt, target in engine.scored} == {
        (tuple(prompt), tuple(prompter.target(target)))
        for prompt, target in (
            (prompter.forward(asked, turns=said), answered),
            (prompter.nothing(Task.FORWARD, turns=said), answered),
            (prompter.backward(answered, turns=said), asked),
            (prompter.nothing(Task.BACKWARD, turns=said), asked),
        )
    }
    before = len(engine.scored)
    await rater.rate(asked, answered, None)
    assert len(engine.scored) == before + 4, "what is shared belongs to what was said before"


async def test_a_likelihood_that_is_no_number_is_an_error(
    judges: Judges, prompter: Prompter, engine: Any
) -> None:
    engine.broken = True
    with pytest.raises(ModelError, match="unrated"):
        await Rater(Examiner(engine, prompter), EvidenceKind.COMBINED, judges).rate(
            "What?", "That.", None
        )


def test_a_manifest_holds_its_judges(judges: Judges) -> None:
    manifest = Manifest(
        id="a", parent=None, base="a", created_at=0.0, templates={}, files={}, golden=(),
        judges=judges,
    )  # fmt: skip
    read = Manifest.model_validate_json(manifest.model_dump_json())
    assert read.judges == judges
    older = manifest.model_dump_json(exclude={"judges"})
    assert Manifest.model_validate_json(older).judges is None


def test_figures_of_perfect_and_of_reversed_ratings() -> None:
    made = every_kind(_PAIRS)
    grades = np.array([each.grade for each in made], np.float64)
    kinds = [each.kind for each in made]
    assert kinds == list(KINDS) * len(_PAIRS)
    perfect, reverse = figures_of(grades, grades, kinds), figures_of(6 - grades, grades, kinds)
    assert perfect["auc_hard"] == perfect["auc_random"] == perfect["auc_borrowed"] == 1.0
    assert perfect["correlation"] == pytest.approx(1.0)
    assert perfect["error"] == perfect["calibration_error"] == 0.0
    assert reverse["auc_hard"] == 0.0
    assert reverse["calibration_error"] == pytest.approx(12 / 5)


def test_a_threshold_is_found_by_its_precision() -> None:
    grades = np.repeat([1.0, 2, 3, 4, 5], 20)
    assert balanced(np.array([1.0, 5, 5, 5])).tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    curve = operating_points(grades - 0.5 * (grades == 4), grades, balanced(grades))
    at = {point.threshold: point for point in curve}
    assert (at[1.0].acceptance, at[1.0].recall) == (1.0, 1.0)
    assert at[1.0].precision == pytest.approx(41 / 102)
    assert at[3.0].precision == pytest.approx(41 / 62)
    assert at[3.5].precision == at[5.0].precision == pytest.approx(41 / 42), "it is never certain"
    assert at[4.0].acceptance == pytest.approx(0.2)
    assert at[4.0].recall == pytest.approx(0.5)
    precisions = [point.precision for point in curve]
    assert precisions == sorted(precisions)


def test_scores_reach_points_and_targets_find_them(judges: Judges) -> None:
    judge = judges.combined
    assert judge.at(0.5) == judge.curve[0]
    assert judge.at(4.05).threshold == 4.0
    assert judge.at(4.1).threshold == 4.1
    chosen = judge.threshold_for(0.5)
    assert chosen is not None
    assert chosen.precision >= 0.5
    assert judge.threshold_for(1.01) is None


def test_the_settings_say_what_is_kept_of_a_release(judges: Judges) -> None:
    chosen = judges.likelihood.threshold_for(0.5)
    assert chosen is not None
    likelihood = Criterion(EvidenceKind.LIKELIHOOD, target_precision=0.5)
    assert likelihood.judge_of(judges) is judges.likelihood
    assert likelihood.threshold_of(judges) == chosen.threshold
    assert likelihood.threshold_of(None) == 4.0
    assert Criterion(threshold=3.5).threshold_of(judges) == 3.5
    assert Criterion(target_precision=1.0).threshold_of(judges) == math.inf
    assert Criterion(EvidenceKind.DIGITS).judge_of(judges) is None
