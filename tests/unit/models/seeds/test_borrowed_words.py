"""Requests with borrowed words, also from the few pairs that a judge is fitted on."""

from models.seeds.labelled import BORROWED, every_kind
from models.seeds.pairs import Pair

_SUBJECTS = ("lake", "boat", "road", "bell", "loaf", "song", "book", "lamp", "tree", "coat")


def test_rare_words_are_replaced_where_there_are_fewer_than_a_hundred_pairs() -> None:
    pairs = [
        Pair(f"Please explain what the {name} does.", f"Some {name}like{name} thing.")
        for name in _SUBJECTS
    ]
    borrowed = [each.pair for each in every_kind(pairs) if each.kind == BORROWED]
    true = {pair.instruction for pair in pairs}
    assert not true & {pair.instruction for pair in borrowed}
    assert all("explain" in pair.instruction for pair in borrowed), "that word is in all of them"
