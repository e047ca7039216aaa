"""The novelty index has the results of a linear scan."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.curation.novelty import Near, NoveltyIndex
from models.evaluation.rouge import NEAR, rouge_l
from models.evaluation.words import words
from models.seeds import read_seeds
from schemas.errors import SettingsError

# Few words, so that texts share many of them, repeat them and tie.
TEXTS = st.lists(
    st.sampled_from(["what", "is", "the", "a", "list", "tuple", "of", "x", "y", "z"]), max_size=14
).map(" ".join)
IDS = st.sampled_from([f"e{number}" for number in range(12)])
THRESHOLDS = st.one_of(
    st.sampled_from([0.7, 0.5, 1.0, 2 / 3, 0.1]), st.floats(min_value=0.01, max_value=1.0)
)


def scan(
    kept: dict[str, str], threshold: float, text: str, besides: str | None = None
) -> Near | None:
    """The definition: compare the query with every text."""
    found = [
        Near(id, rouge)
        for id, other in kept.items()
        if id != besides and (rouge := plain_rouge_l(words(text), words(other))) >= threshold
    ]
    return min(found, key=lambda near: (-near.rouge_l, near.id), default=None)


def plain_rouge_l(a: list[str], b: list[str]) -> float:
    """ROUGE-L F1 by the textbook's dynamic program."""
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for word in a:
        above = row[:]
        for column, other in enumerate(b, start=1):
            row[column] = (
                above[column - 1] + 1 if word == other else max(row[column - 1], above[column])
            )
    return 2 * row[-1] / (len(a) + len(b))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(IDS, TEXTS), THRESHOLDS, TEXTS)
def test_index_equals_linear_scan(kept: dict[str, str], threshold: float, query: str) -> None:
    index = NoveltyIndex(threshold)
    for id, text in kept.items():
        index.add(id, text)
    assert index.nearest(query) == scan(kept, threshold, query)
    for id, text in kept.items():
        assert index.nearest(text, besides={id}) == scan(kept, threshold, text, besides=id)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(IDS, st.none() | TEXTS), max_size=40), TEXTS)
def test_index_equals_linear_scan_after_replacements_and_removals(
    steps: list[tuple[str, str | None]], query: str
) -> None:
    index = NoveltyIndex()
    kept: dict[str, str] = {}
    for id, text in steps:
        if text is None:
            index.remove(id)
            kept.pop(id, None)
        else:
            index.add(id, text)
            kept[id] = text
    assert len(index) == len(kept)
    assert all(id in index for id in kept)
    assert index.nearest(query) == scan(kept, 0.7, query)


def test_an_emptied_index_holds_nothing() -> None:
    index = NoveltyIndex()
    for number in range(20):
        index.add(f"e{number}", f"What is the use of the keyword number {number} and the other?")
    for number in range(20):
        index.remove(f"e{number}")
    assert len(index) == 0
    assert index._postings == {}  # else the memory of a worker would grow without limit


def test_texts_of_stock_words_differ_by_their_subject() -> None:
    index = NoveltyIndex()
    index.add("lists", "What is the difference between a list and a tuple?")
    assert index.nearest("What is the difference between a generator and an iterator?") is not None
    assert index.nearest("Why would I use a generator rather than a list?") is None
    assert index.nearest("what is THE difference, between a list and a tuple") == Near("lists", 1.0)


def test_nearest_prefers_the_most_similar_then_the_smallest_id() -> None:
    index = NoveltyIndex()
    index.add("c", "how do generators work in python code")
    index.add("b", "how do generators work in python")
    index.add("a", "how do generators work in python")
    assert index.nearest("How do generators work in Python?") == Near("a", 1.0)
    assert index.nearest("How do generators work in Python?", besides={"a"}) == Near("b", 1.0)


def test_texts_without_words_are_near_nothing() -> None:
    index = NoveltyIndex()
    index.add("empty", "?!")
    assert index.nearest("?!") is None
    assert index.nearest("") is None
    index.remove("empty")
    index.remove("never there")
    assert len(index) == 0


def test_few_texts_are_compared() -> None:
    """The index leaves few texts to compare, so a query's cost does not grow with their number."""
    index = NoveltyIndex()
    for number in range(3000):
        index.add(
            f"e{number}",
            f"What is the meaning of term{number} in the chapter about topic{number % 97}?",
        )
    compared = list(
        index._candidates(words("What is the meaning of novelty in the chapter about curation?"))
    )
    assert len(compared) == 3000  # these are all alike, and so would never have been kept
    compared = list(
        index._candidates(
            words("Explain the meaning of a novelty index for curation of what is new")
        )
    )
    assert len(compared) == 0


def test_rouge_l_is_the_f1_of_the_longest_common_subsequence() -> None:
    assert rouge_l(["a", "b", "c"], ["a", "x", "c"]) == pytest.approx(2 / 3)
    assert rouge_l(["a"], ["a"]) == 1.0
    assert rouge_l([], ["a"]) == 0.0


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.01])
def test_threshold_must_be_a_rouge_l(threshold: float) -> None:
    with pytest.raises(SettingsError, match="novelty threshold"):
        NoveltyIndex(threshold)


def test_rouge_l_is_that_of_the_package_rouge_score() -> None:
    """1,000 random pairs of instructions: people's, and some with words left out and exchanged.

    Both split at anything but letters and digits. They differ in underscores and in letters outside
    of ASCII, which rouge-score takes for spaces.
    """
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    random = Random(7)
    people = [one.instruction for one in read_seeds()]
    people = [text for text in people if text.isascii() and "_" not in text]
    found = 0
    for _ in range(1000):
        one, other = random.choice(people), random.choice(people)
        if random.random() < 0.5:
            other = " ".join(
                random.choice(words(other)) if random.random() < 0.2 else word
                for word in one.split()
                if random.random() < 0.8
            )
        expected = scorer.score(one, other)["rougeL"].fmeasure
        assert rouge_l(words(one), words(other)) == pytest.approx(expected, abs=1e-12)
        found += expected >= NEAR
    assert 100 < found < 900, "pairs on both sides of the threshold"
