"""Problems with known answers: arithmetic in words, comparisons, and choices."""

import random
from collections.abc import Iterator
from typing import NamedTuple

_NAMES = ("Ada", "Bela", "Carl", "Dina", "Emil", "Fay", "Gus", "Hana", "Ivo", "Juna")
_THINGS = ("apples", "books", "coins", "eggs", "pens", "shells", "stamps", "tickets")


class Problem(NamedTuple):
    """A question with its answer in the spelling of ``agents/answers``."""

    question: str
    answer: str


def problems(count: int, seed: int = 0) -> Iterator[Problem]:
    """Different problems: of ten, eight want a number, one a yes or no, and one a letter."""
    chance = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        kind = len(seen) % 10
        made = (
            _yes_no(chance)
            if kind == 8
            else _choice(chance)
            if kind == 9
            else _NUMBERS[kind % len(_NUMBERS)](chance)
        )
        if made.question not in seen:
            seen.add(made.question)
            yield made


def _sum(chance: random.Random) -> Problem:
    name, thing, a, b = _drawn(chance)
    return Problem(
        f"{name} has {a} {thing} and gets {b} more. How many {thing} are there now?", f"{a + b}"
    )


def _difference(chance: random.Random) -> Problem:
    name, thing, a, b = _drawn(chance)
    return Problem(
        f"{name} has {a + b} {thing} and gives {b} away. How many {thing} are left?", f"{a}"
    )


def _product(chance: random.Random) -> Problem:
    name, thing, a, b = _drawn(chance, 12)
    return Problem(
        f"{name} buys {a} boxes with {b} {thing} each. How many {thing} does {name} buy?",
        f"{a * b}",
    )


def _price(chance: random.Random) -> Problem:
    name, thing, a, b = _drawn(chance, 12)
    paid = 10 * (a * b // 10 + 1)
    return Problem(
        f"{name} buys {a} {thing} at ${b} each and pays with ${paid}. How much money does {name} "
        "get back?",
        f"{paid - a * b}",
    )


def _quotient(chance: random.Random) -> Problem:
    name, thing, a, b = _drawn(chance, 12)
    return Problem(
        f"{name} divides {a * b} {thing} equally among {b} friends. How many {thing} does each "
        "friend get?",
        f"{a}",
    )


def _two_steps(chance: random.Random) -> Problem:
    name, thing, a, b = _drawn(chance, 15)
    c = chance.randint(2, a + b - 1)
    return Problem(
        f"{name} has {a} {thing}, finds {b} more, and then loses {c}. How many {thing} does {name} "
        "have now?",
        f"{a + b - c}",
    )


def _bare(chance: random.Random) -> Problem:
    a, b = chance.randint(2, 60), chance.randint(2, 60)
    return Problem(f"What is {a} + {b}?", f"{a + b}")


def _yes_no(chance: random.Random) -> Problem:
    a, b = chance.sample(range(10, 200), 2)
    return Problem(f"Is {a} greater than {b}?", "yes" if a > b else "no")


def _choice(chance: random.Random) -> Problem:
    numbers = chance.sample(range(10, 200), 3)
    listed = "\n".join(f"{letter}) {number}" for letter, number in zip("ABC", numbers, strict=True))
    return Problem(
        f"Which of these numbers is the largest?\n{listed}", "abc"[numbers.index(max(numbers))]
    )


def _drawn(chance: random.Random, most: int = 40) -> tuple[str, str, int, int]:
    return (
        chance.choice(_NAMES),
        chance.choice(_THINGS),
        chance.randint(2, most),
        chance.randint(2, most),
    )


_NUMBERS = (_sum, _difference, _product, _price, _quotient, _two_steps, _bare)
