"""Packing: the blocks of a section joined to passages within the limits of length."""

from collections.abc import Iterator

_JOINT = "\n\n"


def pack(blocks: list[str], shortest: int, longest: int) -> Iterator[str]:
    """Join ``blocks`` to one passage, or to several where they are over ``longest`` characters.

    A section is divided between blocks only, into passages of about the same length. A block that
    is over ``longest`` by itself is a passage of its own, which the caller refuses. A block that
    ends in a colon stays with the next one where both fit.
    """
    total = _length(blocks)
    if total <= longest:
        yield _JOINT.join(blocks)
        return
    runs = _runs(blocks, longest, target=total / -(-total // longest))
    if len(runs) > 1 and _length(runs[-1]) < shortest:
        runs[-2:] = _even(runs[-2], runs[-1], shortest, longest)
    for run in runs:
        yield _JOINT.join(run)


def _runs(blocks: list[str], longest: int, target: float) -> list[list[str]]:
    """Greedy: a run ends where the next block does not fit, or at ``target`` characters."""
    runs: list[list[str]] = []
    run: list[str] = []
    size = 0
    for block in blocks:
        grown = size + len(_JOINT) + len(block)
        if run and (grown > longest or (size >= target and not run[-1].endswith(":"))):
            runs.append(run)
            run, grown = [], len(block)
        run.append(block)
        size = grown if len(run) > 1 else len(block)
    runs.append(run)
    return runs


def _even(left: list[str], right: list[str], shortest: int, longest: int) -> list[list[str]]:
    """Divide two adjacent runs anew, so that both are within the limits and about equally long.

    They are unchanged where no division is within the limits.
    """
    blocks = left + right
    total = _length(blocks)
    if total <= longest:
        return [blocks]
    best, gap = len(left), total
    head = 0
    for cut in range(1, len(blocks)):
        head += len(blocks[cut - 1]) + (len(_JOINT) if cut > 1 else 0)
        tail = total - head - len(_JOINT)
        if shortest <= min(head, tail) and max(head, tail) <= longest and abs(head - tail) < gap:
            best, gap = cut, abs(head - tail)
    return [blocks[:best], blocks[best:]]


def _length(blocks: list[str]) -> int:
    return sum(map(len, blocks)) + len(_JOINT) * (len(blocks) - 1)
