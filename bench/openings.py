"""Chooses how first words of instructions are drawn, on passages that nothing is reported on.

``python -m bench.openings MODEL`` asks the model for the probability of each first word before each
passage, and for the word that it would write after it. From these, which are kept in a file, it
computes for some weights and limits how varied the openings would be, and how probable to the
model. Prints a table.
"""

import argparse
import asyncio
import contextlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.writer.figures import opening
from bench.writer.material import Documentation
from bench.writer.measure import Subject
from models.prompts.openings import OPENINGS
from models.sampling import Sampling
from models.serving.served_model import ServedModel
from schemas.records import Segment

_LEAST = (0.0, 0.02, 0.05, 0.1, 0.2)
_COMMON = (1.0, 0.5, 0.25)
"""Weights of the two commonest first words, What and How, beside 1 for all others."""
_IMPROBABLE = 0.05
"""A first word below this share of the most probable token is called improbable."""
_AT_ONCE = 8
_SHORT = 4
"""Tokens that are written to see the second word."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a model would do with one first word before one passage."""

    passage: str
    word: str
    share: float
    """Its probability as a share of that of the most probable token."""
    opening: str
    """The first two words of what is written after it."""


async def choices(model: ServedModel, segment: Segment) -> list[Choice]:
    """Every first word before one passage, and last what the model begins with by itself."""
    prompter, engine = model.prompter, model.engine
    prompt = prompter.backward(segment.text, segment.context, segment.headings)
    short = Sampling(repetition_penalty=1.3, max_tokens=_SHORT)

    async def started(first: tuple[tuple[int, float], ...]) -> tuple[int, str]:
        found = await engine.generate(
            prompt, replace(short, first=first), prompter.instruction_stop_ids
        )
        return found.ids[0] if found.ids else prompter.stop_ids[0], prompter.decode([*found.ids])

    own, text = await started(())
    [highest] = await engine.score(prompt, [own])
    made = []
    for word in OPENINGS:
        [(token, _)] = prompter.opening_ids({word: 1.0})
        [nats] = await engine.score(prompt, [token])
        _, written = await started(((token, 1.0),))
        made.append(Choice(segment.id, word, math.exp(highest - nats), opening(written)))
    return [*made, Choice(segment.id, "", 1.0, opening(text))]


def expected(
    found: Mapping[str, Sequence[Choice]], weights: Mapping[str, float], least: float
) -> tuple[dict[str, float], float, float]:
    """Expected shares of openings, of improbable first words, and the mean share of probability."""
    shares = defaultdict[str, float](float)
    improbable = probable = 0.0
    for each in found.values():
        drawn = [one for one in each if one.word and one.share >= least]
        drawn = drawn or [one for one in each if not one.word]
        mass = [weights.get(one.word, 1.0) * math.sqrt(one.share) for one in drawn]
        for one, part in zip(drawn, mass, strict=True):
            part /= sum(mass) * len(found)
            shares[one.opening] += part
            improbable += part * (one.share < _IMPROBABLE)
            probable += part * min(one.share, 1.0)
    return shares, improbable, probable


def table(found: Mapping[str, Sequence[Choice]]) -> str:
    """The combinations of weights and limits, with what is expected of them."""
    lines = [
        "| What | How | least | commonest opening | not what or how | improbable | probability |",
        "|---|---|---|---|---|---|---|",
    ]
    for what in _COMMON:
        for how in _COMMON:
            for least in _LEAST:
                weights = {**OPENINGS, "What": what, "How": how}
                shares, improbable, probable = expected(found, weights, least)
                commonest = max(shares, key=lambda start: shares[start])
                other = sum(
                    part
                    for start, part in shares.items()
                    if start.partition(" ")[0] not in ("what", "how")
                )
                lines.append(
                    f"| {what} | {how} | {least} | {commonest} {shares[commonest]:.0%} | "
                    f"{other:.0%} | {improbable:.0%} | {probable:.2f} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.openings", description=__doc__)
    parser.add_argument("model", help="a name of `backstream models list --available`")
    parser.add_argument("--passages", type=int, default=100)
    parser.add_argument("--precision", default="auto", help="auto, int8 or fp32 (default: auto)")
    parser.add_argument("--work", type=Path, default=Path("work/bench-writer"))
    options = parser.parse_args()
    subject = Subject.load(options.model, options.work, options.precision)
    file = subject.file(options.work, "openings")
    with contextlib.closing(subject.model) as model:
        segments = Documentation.read().tuning[: options.passages]
        found = asyncio.run(_gather(model, segments, file))
    print(table(found))


async def _gather(
    model: ServedModel, segments: Sequence[Segment], file: Path
) -> dict[str, list[Choice]]:
    found = defaultdict[str, list[Choice]](list)
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            choice = Choice(**json.loads(line))
            found[choice.passage].append(choice)
    missing = [segment for segment in segments if segment.id not in found]
    with file.open("a", encoding="utf-8") as lines:
        for start in range(0, len(missing), _AT_ONCE):
            batch = missing[start : start + _AT_ONCE]
            for each in await asyncio.gather(*(choices(model, segment) for segment in batch)):
                found[each[0].passage] = each
                lines.writelines(json.dumps(asdict(one)) + "\n" for one in each)
            lines.flush()
    return {segment.id: found[segment.id] for segment in segments}


if __name__ == "__main__":
    main()
