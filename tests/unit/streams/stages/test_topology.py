"""The lines of the topology: how many messages a stage takes in."""

import pytest

from streams.settings import load
from streams.stages.topology import STAGES


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
