"""Measures how well the backward model knows what a user said in the middle of a conversation.

``nice python -m bench.conversations house --trees trees.jsonl`` for the house model; or the name of
a directory with a checkpoint, and ``--adapter`` for one with a LoRA adapter for it. Needs torch.

Exchanges with earlier turns are measured, at first one of each conversation. A message is ranked
among ten: the others are those of nine other conversations. It is ranked by the nats a token that
what is given saves, as the judge computes gains.
"""

import argparse
import copy
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from bench.progress import say
from models.evaluation.bootstrap import bootstrap_interval
from models.progress import at_intervals
from models.prompts.history import in_context
from models.prompts.layout import Prompter
from models.prompts.template import Family
from models.releases.checkpoints import HOUSE, HOUSE_CHECKPOINT
from models.seeds.formats import Reading, read_pairs
from models.seeds.pairs import Pair
from schemas.records import Example
from schemas.turns import exchanges_of

_RIVALS = 9
_EVERY = 99
"""Replies to each message that are followed."""
_CONDITIONS = ("nothing", "the reply", "the history", "both")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model makes of the message of one exchange."""

    tokens: int
    nats: dict[str, float]
    """Of the true message, by what was given."""
    ranks: dict[str, int]
    """Its rank among ten, from 1, by what saves nats; ``reply after history`` is the judge's."""


class Scorer:
    """Scores targets after a prompt, which is computed from where it differs from the last one."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._prompt: list[int] = []
        self._cache: Any = None

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def nats(self, prompt: Sequence[int], targets: Sequence[Sequence[int]]) -> list[float]:
        """Nats of each target."""
        first = self._prefill([*prompt])
        longest = max(map(len, targets))
        ids = torch.zeros(len(targets), longest, dtype=torch.long)
        for row, target in enumerate(targets):
            ids[row, : len(target)] = torch.tensor(list(target))
        cache = copy.deepcopy(self._cache)
        cache.batch_repeat_interleave(len(targets))
        rest = self._model(ids, past_key_values=cache, use_cache=True).logits.float()
        after = torch.cat([first.expand(len(targets), 1, -1), rest[:, :-1]], 1)
        each = after.logsumexp(-1) - after.gather(-1, ids[:, :, None])[:, :, 0]
        return [float(each[row, : len(target)].sum()) for row, target in enumerate(targets)]

    def _prefill(self, prompt: list[int]) -> torch.Tensor:
        """The logits after a prompt, [vocabulary], whose keys and values are in the cache then."""
        pairs = zip(prompt[:-1], self._prompt, strict=False)
        known = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        if known:
            self._cache.crop(known)
        found = self._model(
            torch.tensor([prompt[known:]]),
            past_key_values=self._cache if known else None,
            use_cache=True,
            logits_to_keep=1,
        )
        self._prompt, self._cache = prompt, found.past_key_values
        return cast(torch.Tensor, found.logits[0, -1].float())


def middle_exchanges(file: Path, characters: int, count: int) -> list[tuple[str, Pair]]:
    """Exchanges with earlier turns and at most so many characters, with their conversations.

    As many conversations as there are, and then further exchanges of them.
    """
    found: dict[str, list[Pair]] = {}
    for seed in read_pairs(file, Reading(replies=_EVERY)):
        if not isinstance(seed, Example) or not seed.turns:
            continue
        pair = Pair.of(seed)
        if sum(len(text) for exchange in pair.exchanges for text in exchange) <= characters:
            found.setdefault(seed.provenance.conversation, []).append(pair)
    rounds = itertools.zip_longest(
        *([(name, pair) for pair in pairs] for name, pairs in found.items())
    )
    return [each for turn in rounds for each in turn if each is not None][:count]


def measure(
    model: Any, prompter: Prompter, exchanges: Sequence[tuple[str, Pair]]
) -> Iterator[Measured]:
    """Measure each exchange, given with its conversation."""
    score, generator = Scorer(model).nats, random.Random(0)
    targets = [prompter.target(pair.instruction) for _, pair in exchanges]
    nothing = prompter.backward("")
    alone = np.concatenate([score(nothing, [target]) for target in targets])
    for number, (conversation, pair) in enumerate(exchanges):
        others = [at for at, (other, _) in enumerate(exchanges) if other != conversation]
        chosen = [number, *generator.sample(others, _RIVALS)]
        wanted = [targets[place] for place in chosen]
        lengths = np.array([len(target) for target in wanted])
        given = {
            "nothing": alone[chosen],
            "the reply": score(prompter.backward(pair.response), wanted),
            "the history": score(prompter.backward("", turns=pair.turns), wanted),
            "both": score(prompter.backward(pair.response, turns=pair.turns), wanted),
        }
        nats = {name: float(found[0]) for name, found in given.items()}
        other_layout = score(_other_layout(prompter, pair), wanted[:1])
        nats["both, laid out otherwise"] = other_layout[0]
        gains = {name: np.array(given["nothing"]) - np.array(given[name]) for name in _CONDITIONS}
        gains["the reply, after the history"] = gains["both"] - gains["the history"]
        ranks = {
            name: 1 + int((gain / lengths >= gain[0] / lengths[0])[1:].sum())
            for name, gain in gains.items()
            if name != "nothing"
        }
        yield Measured(len(wanted[0]), nats, ranks)


def _other_layout(prompter: Prompter, pair: Pair) -> list[int]:
    """The turns as fields of their own for the house model; else in the block of a context."""
    if prompter.family is not Family.MARKERS:
        return prompter.backward(pair.response, in_context(pair.turns, pair.context))
    ids: list[int] = []
    for asked, answered in exchanges_of(pair.turns):
        ids += prompter.rating(asked, answered)[:-1]
    return [*ids, *prompter.backward(pair.response)]


def report(name: str, found: Sequence[Measured]) -> str:
    """The figures in Markdown."""
    tokens = np.array([one.tokens for one in found], np.float64)
    lines = [
        f"### {name}: {len(found)} exchanges",
        "",
        "| given | nats a token | first of 10 | rank |",
    ]
    lines.append("|---|---|---|---|")
    for condition in [*found[0].nats, *(set(found[0].ranks) - set(found[0].nats))]:
        cells = ["", "", ""]
        if condition in found[0].nats:
            nats = np.array([one.nats[condition] for one in found])
            cells[0] = _shown(lambda rows, n=nats: n[rows].sum() / tokens[rows].sum(), len(found))
        if condition in found[0].ranks:
            ranks = np.array([one.ranks[condition] for one in found])
            cells[1] = _shown(lambda rows, r=ranks: (r[rows] == 1).mean(), len(found))
            cells[2] = _shown(lambda rows, r=ranks: r[rows].mean(), len(found))
        lines.append(f"| {condition} | {' | '.join(cells)} |")
    both, reply = (np.array([one.nats[n] for one in found]) for n in ("both", "the reply"))
    lines.append("")
    lines.append(
        "What the history saves beside the reply, nats a token: "
        + _shown(lambda rows: (reply - both)[rows].sum() / tokens[rows].sum(), len(found))
    )
    return "\n".join(lines)


def _shown(statistic: Any, count: int) -> str:
    value, low, high = bootstrap_interval(lambda rows: float(statistic(rows)), count)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--trees", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--characters", type=int, default=2400)
    parser.add_argument(
        "--threads", type=int, default=1, help="more wait for each other on a busy machine"
    )
    options = parser.parse_args()
    directory = HOUSE_CHECKPOINT if options.model == HOUSE else Path(options.model)
    torch.set_num_threads(options.threads)
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    if options.adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, options.adapter).merge_and_unload()
    prompter = Prompter.load(directory)
    exchanges = middle_exchanges(options.trees, options.characters, options.rows)
    tick, found = at_intervals(say), []
    for one in measure(model.eval(), prompter, exchanges):
        found.append(one)
        tick(f"{len(found)} of {len(exchanges)} exchanges")
    print(report(options.model if not options.adapter else "writer", found))


if __name__ == "__main__":
    main()
