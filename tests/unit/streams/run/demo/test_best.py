"""Which examples the demo shows, and how much of them."""

from schemas.records import Example, ExampleOrigin, Provenance, Rating
from streams.run.demo.best import best, excerpt


def example(
    instruction: str,
    score: float,
    response: str = "A tuple is an immutable list with methods.",
    source: str = "",
) -> Example:
    return Example(
        id=f"{instruction} {source}",
        instruction=instruction,
        response=response,
        origin=ExampleOrigin.AUGMENTED,
        rating=Rating(score=score, probabilities=(0, 0, 0, 0, 1), release="r", template="t"),
        provenance=Provenance(source=source or instruction),
    )


def test_each_has_another_opening_and_another_source() -> None:
    first = example("What is a list?", 4.9)
    same_opening = example("What is a tuple?", 4.8)
    same_source = example("List the methods of a list.", 4.7, source="What is a list?")
    other = example("Why are tuples immutable?", 4.2)
    assert best([other, same_source, same_opening, first], 2) == [first, other]
    assert best([other, same_opening, first], 3) == [first, other, same_opening]


def test_what_is_easy_to_read_comes_first() -> None:
    plain = example("Why is it so?", 4.0)
    long = example("How does it work?", 5.0, "Words. " * 400)
    code = example("Show the use of it.", 4.9, "Call it:\n>>> it()\n1")
    unfinished = example("Explain the", 4.9)
    fragment = example("When is it closed?", 4.9, "and then it is closed.")
    twice = example("Which lists are listed here?", 4.9)
    invented = example("How is FIRST_OF_ALL used?", 4.9, "FIRST_COMPLETED is a constant.")
    astray = example("What is the difference of strings and tuples?", 4.9, "A tuple is immutable.")
    broken = example("Which lists are\nimmutable?", 4.9)
    found = best([long, code, unfinished, fragment, twice, invented, astray, broken, plain], 9)
    assert found[0] is plain
    assert len(found) == 9
    assert best([], 3) == []


def test_an_excerpt_ends_with_a_sentence() -> None:
    assert excerpt("One.\nTwo.") == "One. Two."
    cut = excerpt("This is a sentence of some words. " * 20)
    assert cut.endswith("some words. …")
    assert len(cut) <= 242
    words = excerpt("word " * 100)
    assert words.endswith("word …")
    assert len(words) <= 242
