"""Blocks of one section packed into passages of bearable length, divided only between blocks."""

from collections.abc import Iterator

_JOINT = "\n\n"


def pack(blocks: list[str], shortest: int, longest: int) -> Iterator[str]:
    """The text of ``blocks`` as one passage, or, where it is over ``longest`` characters, as
    several.

    Passages of a divided section have much the same length. A block that is over ``longest`` by
    itself comes alone: the caller refuses it. A block that ends in a colon stays with what it
    announces where that fits.
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
    """Greedy: a run closes when the next block would not fit, or when it has reached its share."""
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
    """Two neighbours with their border moved so that both are in bounds, as equal as can be;
    unchanged if none fits.
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
