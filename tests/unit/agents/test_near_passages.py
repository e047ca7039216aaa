"""Near-duplicate passages: what is found, and that nothing is left of what is removed."""

import random
import re
from functools import cache

import pytest

from agents.curation.near_passages import PassageIndex
from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from schemas.errors import SettingsError
from schemas.records import Example, Rejection
from tests.unit.agents.test_curator import ask, scored

_WORDS = [f"word{number}" for number in range(3000)]


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return set(zip(words, words[1:], words[2:], strict=False))


def _jaccard(left: str, right: str) -> float:
    one, other = _shingles(left), _shingles(right)
    return len(one & other) / len(one | other)


@cache
def _pairs() -> list[tuple[str, str, float]]:
    """Passages, each with words replaced, and the exact similarity of both."""
    chance = random.Random(5)
    pairs = []
    for _ in range(800):
        words = chance.choices(_WORDS, k=chance.randint(100, 400))
        share = chance.uniform(0, 0.15)
        changed = [chance.choice(_WORDS) if chance.random() < share else word for word in words]
        left, right = " ".join(words), " ".join(changed)
        pairs.append((left, right, _jaccard(left, right)))
    return pairs


def _found(pairs: list[tuple[str, str, float]]) -> float:
    """Share of the pairs whose second text is found by the first."""
    index = PassageIndex(CuratorSettings().passage_novelty)
    for number, (left, _, _) in enumerate(pairs):
        index.add(str(number), left)
    near = [index.nearest(right) for _, right, _ in pairs]
    return sum(one is not None and one.id == str(at) for at, one in enumerate(near)) / len(pairs)


def test_pairs_with_a_similarity_of_080_are_found_and_different_ones_are_not() -> None:
    alike = [pair for pair in _pairs() if 0.78 <= pair[2] <= 0.82]
    assert len(alike) > 40
    assert _found(alike) >= 0.95
    assert _found([pair for pair in _pairs() if pair[2] > 0.85]) == 1
    assert _found([pair for pair in _pairs() if pair[2] < 0.5]) <= 0.01


def test_the_estimate_is_that_of_96_values() -> None:
    index = PassageIndex(CuratorSettings().passage_novelty)
    errors = [
        float((index.signature(left) == index.signature(right)).mean()) - exact
        for left, right, exact in _pairs()
    ]
    assert abs(sum(errors) / len(errors)) < 0.01
    assert (sum(error**2 for error in errors) / len(errors)) ** 0.5 < 0.055


def test_white_space_and_case_do_not_count() -> None:
    left, *_ = _pairs()[0]
    index = PassageIndex(1)
    index.add("a", left)
    found = index.nearest(left.upper().replace(" ", "\n  "))
    assert found
    assert found == ("a", 1.0)


@pytest.mark.parametrize(
    "text",
    ["船夫等着水闸的门慢慢打开。", "水門の番人はゆっくりと扉を開ける。", "ประตูน้ำเปิดช้าๆ", "", "a b"],
)
def test_every_script_and_length(text: str) -> None:
    index = PassageIndex(CuratorSettings().passage_novelty)
    index.add("a", text * 20)
    assert index.nearest(text * 20)
    assert index.nearest("An other text altogether, of the canal and its locks.") is None


def test_texts_are_replaced_removed_and_passed_over() -> None:
    (one, _, _), (two, _, _), *_ = _pairs()
    index = PassageIndex(CuratorSettings().passage_novelty)
    assert index.nearest(one) is None
    index.add("a", one)
    index.add("b", one)
    assert len(index) == 2
    assert index.nearest(one) == ("a", 1.0)
    assert index.nearest(one, besides={"a"}) == ("b", 1.0)
    index.add("a", two)
    assert index.nearest(one) == ("b", 1.0)
    index.remove("b")
    index.remove("never there")
    assert index.nearest(one) is None
    index.remove("a")
    assert len(index) == 0
    assert not any(vars(index)["_bands"])


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1])
def test_the_threshold_is_a_similarity(threshold: float) -> None:
    with pytest.raises(SettingsError, match="Jaccard"):
        PassageIndex(threshold)


def test_a_response_near_a_kept_one_is_refused() -> None:
    response = " ".join(random.Random(1).choices(_WORDS, k=200))
    near = scored(
        "e2",
        "Name the parts of the canal lock.",
        f"{response} And more words follow that one, so that both differ.",
    )
    curator = Curator()
    ask(curator, scored("e1", response=response))
    [refused] = ask(curator, near)
    assert isinstance(refused, Rejection)
    assert refused.reason == "near_duplicate"
    assert "similarity of 0." in refused.detail
    assert refused.detail.endswith("e1")
    exact = Curator(CuratorSettings(passage_novelty=1))
    [kept] = ask(exact, scored("e1", response=response), near)
    assert isinstance(kept, Example)
