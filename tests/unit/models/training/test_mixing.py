"""What an epoch is mixed from: shares, repeats, confidence, and what is told of it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from models.judging.criterion import Criterion
from models.judging.evidence import EvidenceKind
from models.prompts.layout import Prompter
from models.prompts.template import AUGMENTED_TAG, SEED_TAG
from models.training.__main__ import _parser
from models.training.data import TrainingSet, sequences
from models.training.launch import TrainingLauncher
from models.training.mixing import MOST_REPEATS, Mix, mixed, source_of
from models.training.settings import TrainingSettings
from schemas.errors import TrainingError
from schemas.records import Example, ExampleOrigin, Provenance


def _examples(source: str, count: int, confidence: float | None = None) -> list[Example]:
    seed = source == "seed"
    return [
        Example(
            id=f"{source}-{number:03}",
            instruction=f"Ask {source} for {number}.",
            response=f"It is {number} of {source}.",
            origin=ExampleOrigin.SEED if seed else ExampleOrigin.AUGMENTED,
            provenance=Provenance() if seed else Provenance(generator=source),
            confidence=confidence,
        )
        for number in range(count)
    ]


_EVERY = [
    *_examples("seed", 40),
    *_examples("backward", 100),
    *_examples("answerer", 20, 0.75),
    *_examples("answerer-2", 0),
]


def _sources(examples: Sequence[Example]) -> Counter[str]:
    return Counter(map(source_of, examples))


def test_without_shares_each_example_is_there_once_in_its_order() -> None:
    found = mixed(_EVERY, Mix())
    assert list(found.examples) == _EVERY
    assert list(found.sources) == ["seed", "answerer", "backward"]
    seeds, answered = found.sources["seed"], found.sources["answerer"]
    assert (seeds.there, seeds.used, seeds.drawn, seeds.share) == (40, 40, 40, 0.25)
    assert (seeds.asked_for, seeds.confidence, seeds.tag) == (None, None, SEED_TAG)
    assert (answered.confidence, answered.tag) == (0.75, AUGMENTED_TAG)


def test_shares_are_kept_by_leaving_out_and_by_repeating() -> None:
    mix = Mix((("answerer", 1), ("backward", 1), ("seed", 2)))
    found = mixed(_EVERY, mix)
    assert _sources(found.examples) == {"seed": 80, "backward": 40, "answerer": 40}
    assert max(Counter(example.id for example in found.examples).values()) == 2
    backward = found.sources["backward"]
    assert (backward.there, backward.used, backward.drawn) == (100, 40, 40)
    assert (backward.share, backward.asked_for) == (0.25, 1)
    again = mixed(_EVERY, mix)
    assert again == found
    assert {e.id for e in mixed(_EVERY[::-1], mix).examples} == {e.id for e in found.examples}


def test_a_source_that_is_not_named_is_left_out_and_one_without_examples_does_not_count() -> None:
    found = mixed(_EVERY, Mix((("inventor", 0.9), ("seed", 0.1))))
    assert _sources(found.examples) == {"seed": 40}
    assert (found.sources["inventor"].there, found.sources["inventor"].asked_for) == (0, 0.9)
    assert (found.sources["backward"].there, found.sources["backward"].drawn) == (100, 0)


def test_an_example_is_repeated_so_often_and_no_more() -> None:
    found = mixed(_EVERY, Mix((("answerer", 0.9), ("backward", 0.1))))
    assert _sources(found.examples) == {"answerer": 20 * MOST_REPEATS, "backward": 12}
    assert found.sources["answerer"].share < 0.9


def test_examples_with_little_confidence_are_left_out_and_counted() -> None:
    unsure = _examples("answerer", 5, 0.5)
    found = mixed([*_examples("seed", 3), *unsure], Mix(least_confidence=0.6))
    assert _sources(found.examples) == {"seed": 3}
    assert (found.sources["answerer"].there, found.sources["answerer"].unsure) == (5, 5)
    assert found.sources["answerer"].confidence is None


def test_no_examples_of_the_named_sources_is_an_error(house: Path) -> None:
    data = TrainingSet(tuple(_examples("seed", 3)), (), ())
    settings = TrainingSettings(mix=Mix((("inventor", 1.0),)))
    with pytest.raises(TrainingError, match="no example of inventor"):
        sequences(data, Prompter.load(house), settings, 512)


def test_responses_are_weighed_by_their_confidence(house: Path) -> None:
    data = TrainingSet(tuple(_examples("seed", 2)), (), tuple(_examples("answerer", 2, 0.5)))
    settings = TrainingSettings(epochs=1, rating_share=0.0)
    prompter = Prompter.load(house)

    def weights(mix: Mix) -> Counter[float]:
        made = sequences(data, prompter, replace(settings, mix=mix), 512)
        return Counter(max(sequence.weights) for sequence in made)

    assert weights(Mix()) == {1.0: 8}
    assert weights(Mix(weighs=True)) == {1.0: 6, 0.5: 2}


def test_a_run_is_another_one_with_another_mix() -> None:
    mixes = (
        Mix(),
        Mix((("seed", 1.0),)),
        Mix((("seed", 0.5),)),
        Mix(weighs=True),
        Mix(least_confidence=0.5),
    )
    assert len({TrainingSettings(mix=mix).digest() for mix in mixes}) == len(mixes)


def test_the_process_is_told_the_mix(tmp_path: Path) -> None:
    mix = Mix((("answerer", 0.25), ("seed", 0.75)), 0.5, weighs=True)
    launcher = TrainingLauncher(
        tmp_path,
        threads=1,
        max_tokens=1000,
        on_event=lambda _: None,
        criterion=Criterion(EvidenceKind.COMBINED, 4.0, None),
        mix=mix,
    )
    options = _parser().parse_args(launcher._options(tmp_path, tmp_path, tmp_path, tmp_path))
    told = Mix(tuple(options.shares), options.least_confidence, options.weigh_confidence)
    assert told == mix


def test_what_a_release_was_trained_on_is_json() -> None:
    found = mixed(_EVERY, Mix((("seed", 1.0),))).sources
    assert json.loads(found["seed"].model_dump_json())["used"] == 40
