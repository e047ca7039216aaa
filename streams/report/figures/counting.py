"""Counts and histograms of the examples."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from statistics import median
from urllib.parse import urlsplit

from streams.report.content import Bin, Named, Root, Roots
from streams.report.figures.root_verbs import first_word, is_english, root_verb
from streams.report.gathering.item import Item, cut

_MOST_NAMES = 24
_ROOTS = 20
_OBJECTS = 10
_MOST_SOURCES = 24
"""Sources above which those of one folder or host are counted together."""
_NAME = 120
_EDGES = (1, 2, 5, 10, 15, 20, 30, 50, 100, 200, 400, 800, 1600, 3200)
"""Words at which the bins of lengths begin."""
_OTHERS = "all others"
UNKNOWN = "not known"


def counted(names: Iterable[str], most: int = _MOST_NAMES) -> tuple[Named, ...]:
    """Names with their counts, the most frequent first; the rest together as the last one.

    Empty where no name is known.
    """
    counts = Counter(cut(name, _NAME) or UNKNOWN for name in names)
    if not counts.keys() - {UNKNOWN}:
        return ()
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown, rest = ordered[:most], sum(count for _, count in ordered[most:])
    return tuple(
        Named(name=name, count=count)
        for name, count in [*shown, *([(_OTHERS, rest)] if rest else [])]
    )


def sources_of(items: Sequence[Item]) -> tuple[Named, ...]:
    """Sources with their counts. Of many, folders and hosts instead."""
    many = len({item.source for item in items}) > _MOST_SOURCES
    return counted(_place(item.source) if many else item.source for item in items)


def _place(source: str) -> str:
    """The host of an address, or the folder of a path."""
    try:
        parts = urlsplit(source)
    except ValueError:
        return source
    if parts.scheme and parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    folder = str(PurePosixPath(source).parent)
    return source if folder in (".", "") else f"{folder}/"


def lengths_of(words: Sequence[int]) -> tuple[Bin, ...]:
    """A histogram of numbers of words, with bins that grow."""
    ends = (*_EDGES[1:], max(_EDGES[-1] * 2, max(words, default=0) + 1))
    found = [
        Bin(low=low, high=high, count=sum(1 for one in words if low <= one < high))
        for low, high in zip(_EDGES, ends, strict=True)
    ]
    while found and not found[-1].count:
        found.pop()
    while found and not found[0].count:
        found.pop(0)
    return tuple(found)


def histogram(values: Iterable[float], low: float, high: float, bins: int) -> tuple[Bin, ...]:
    """A histogram with bins of one width. Values outside count in the first or the last bin."""
    width, counts = (high - low) / bins, [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int((value - low) / width)))] += 1
    return tuple(
        Bin(low=low + width * place, high=low + width * (place + 1), count=count)
        for place, count in enumerate(counts)
    )


def median_of(values: Sequence[int]) -> float:
    """The median; 0 where there are none."""
    return float(median(values)) if values else 0.0


def roots_of(items: Iterable[Item]) -> Roots:
    """Root verbs and objects of the English instructions, first words of the others."""
    english = recognised = with_object = 0
    words: Counter[tuple[str, bool]] = Counter()
    objects: dict[tuple[str, bool], Counter[str]] = {}
    others: list[str] = []
    for item in items:
        if not is_english(item.instruction, item.language):
            others.append(first_word(item.instruction))
            continue
        english += 1
        if (root := root_verb(item.instruction)) is None:
            continue
        recognised += 1
        with_object += bool(root.object)
        key = root.word, root.question
        words[key] += 1
        objects.setdefault(key, Counter())[root.object] += 1
    return Roots(
        english=english,
        recognised=recognised,
        with_object=with_object,
        different=sum(len(found.keys() - {""}) for found in objects.values()),
        roots=tuple(
            Root(
                word=word,
                question=question,
                count=count,
                objects=tuple(
                    Named(name=cut(name, _NAME), count=number)
                    for name, number in sorted(
                        objects[word, question].items(), key=lambda one: (-one[1], one[0])
                    )
                    if name
                )[:_OBJECTS],
            )
            for (word, question), count in sorted(words.items(), key=lambda one: (-one[1], one[0]))[
                :_ROOTS
            ]
        ),
        first_words=counted(others, 12),
    )
