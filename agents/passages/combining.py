"""Neighbouring sections that are too short, joined under the heading above them.

Reference manuals have a heading for each function, with a declaration and a sentence below it. Such
an entry is no passage, but some of them together are, as the entries of one list are.
"""

from collections.abc import Callable, Iterator

from agents.passages.leaning import CODE_SIGNS
from agents.passages.length import length_of
from agents.passages.sections import Section
from agents.passages.sentences import has_sentence

_FEWEST_WORDS = 3


def combine(
    sections: list[Section],
    shortest: int,
    longest: int,
    stands: Callable[[Section], bool],
    *,
    titled: bool,
) -> Iterator[Section]:
    """The sections, those that are too short joined where it is possible.

    Joined are neighbours below one heading, and the text of that heading itself with those below
    it, where each has a sentence and ``stands`` alone. Each keeps its own heading as a line. Below
    no heading they are joined only where the document is ``titled``. Lengths are by ``length_of``.
    """
    run: list[Section] = []
    for section in sections:
        short = _length(section) < shortest
        if run and not (short and _together(run, section, titled)):
            yield from _groups(run, shortest, longest)
            run = []
        if short and _says(section) and stands(section):
            run.append(section)
        else:
            yield section
    yield from _groups(run, shortest, longest)


def _together(run: list[Section], section: Section, titled: bool) -> bool:
    """Whether a section continues a run: all but its first one are below the same heading."""
    above = section.headings[:-1]
    if not section.headings or not (above or titled):
        return False
    if len(run) > 1:
        return above == run[1].headings[:-1]
    return above in (run[0].headings, run[0].headings[:-1])


def _groups(run: list[Section], shortest: int, longest: int) -> Iterator[Section]:
    """The sections of a run in groups that are as long as a passage; a rest is in the last one."""
    groups: list[list[Section]] = [[]]
    size = 0
    for section in run:
        if size >= shortest:
            groups.append([])
            size = 0
        groups[-1].append(section)
        size += _length(section)
    if size < shortest and len(groups) > 1:
        rest = groups.pop()
        together = sum(map(_length, groups[-1])) + size
        groups[-1] += rest if together <= longest else []
        if together > longest:
            yield from rest
    above = run[1].headings[:-1] if len(run) > 1 else ()
    for group in groups:
        if len(group) > 1:
            yield _joined(group, above)
        else:
            yield from group


def _joined(group: list[Section], above: tuple[str, ...]) -> Section:
    blocks: list[str] = []
    for section in group:
        if section.headings != above:
            blocks.append(section.headings[-1])
        blocks += section.blocks
    return Section(above, blocks)


def _length(section: Section) -> int:
    return sum(map(length_of, section.blocks))


def _says(section: Section) -> bool:
    """Whether a section has a sentence, or a declaration and some words about it."""
    first, *others = section.blocks
    return any(map(has_sentence, section.blocks)) or (
        CODE_SIGNS.search(first) is not None
        and any(
            len(block.split()) >= _FEWEST_WORDS and not CODE_SIGNS.search(block) for block in others
        )
    )
