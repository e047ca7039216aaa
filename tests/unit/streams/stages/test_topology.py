"""The lines of the topology: how many messages a stage takes in."""

import pytest

from agents.answerer import Answerer
from agents.backward import Backward
from agents.curator import Curator
from agents.decider import Decider
from agents.inventor import Inventor
from agents.pairer import Pairer
from agents.recurator import Recurator
from agents.rewriter import Rewriter
from agents.scorer import Scorer
from agents.segmenter import Segmenter
from streams.settings import load
from streams.stages.topology import EVERY_STAGE, STAGES


@pytest.mark.parametrize(("samples", "questions"), [(8, 16), (1, 128), (64, 2)])
def test_the_samples_of_a_question_share_the_places_of_a_stage(
    samples: int, questions: int
) -> None:
    settings = load(assignments=(f"answering.samples={samples}",))
    places = {spec.name: spec.policy(settings).in_flight for spec in STAGES}
    assert places["answerer"] == questions
    assert places["backward"] == places["scorer"] == settings.generation.in_flight
    assert places["segmenter"] == places["curator"] == settings.kafka.in_flight


def test_a_stage_has_a_place_at_least() -> None:
    settings = load(assignments=("answering.samples=64", "generation.in_flight=8"))
    [answerer] = [spec for spec in STAGES if spec.name == "answerer"]
    assert answerer.policy(settings).in_flight == 1


def test_each_stage_has_the_name_of_its_agent() -> None:
    agents = (Segmenter, Backward, Inventor, Answerer, Scorer, Decider, Curator, Rewriter, Pairer)
    assert [spec.name for spec in EVERY_STAGE] == [*(a.stage for a in agents), Recurator.stage]
