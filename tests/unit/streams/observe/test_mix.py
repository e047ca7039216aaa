"""The shares of the categories, beside those that are wanted."""

from schemas.categories import Category
from schemas.records import Example, ExampleOrigin
from streams.observe.mix import tally_of

_MIX = {Category.OPEN_QA: 3.0, Category.SUMMARIZATION: 1.0, Category.CLASSIFICATION: 0.0}


def _example(category: str | None, context: str | None = None, seed: bool = False) -> Example:
    origin = ExampleOrigin.SEED if seed else ExampleOrigin.AUGMENTED
    return Example(
        id="e",
        instruction="Why?",
        context=context,
        response="So.",
        origin=origin,
        category=category,
    )


def test_only_what_the_loop_made_and_whose_category_is_known_counts() -> None:
    assert tally_of([], _MIX) is None
    assert tally_of([_example(None), _example("open_qa", seed=True)], _MIX) is None
    found = tally_of(
        [_example("open_qa"), _example("closed_qa", "given"), _example(None, "given")] * 2, _MIX
    )
    assert found is not None
    assert (found.examples, found.with_context) == (4, 2)
    shares = {name: (one.examples, one.share, one.wanted) for name, one in found.categories.items()}
    assert shares == {
        "closed_qa": (2, 0.5, 0.0),
        "open_qa": (2, 0.5, 0.75),
        "summarization": (0, 0.0, 0.25),
    }
    assert str(found) == (
        "of the last 4 examples 50% have a context; share and wanted share: closed_qa 50% of 0%, "
        "open_qa 50% of 75%, summarization 0% of 25%"
    )


def test_a_category_of_a_newer_version_is_counted_too() -> None:
    found = tally_of([_example("arithmetic")], {})
    assert found is not None
    assert found.categories["arithmetic"].examples == 1
