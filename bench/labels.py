"""How labels are distributed where inputs are written first, and where labels are.

Run with ``python -m bench.labels --model smollm2``. Self-Instruct (arXiv 2212.10560, section 2.2)
writes the label of a classification before its input, because inputs that come first are mostly of
one label. For each of a few tasks with known labels, both ways are tried with the inventor's
prompts:

- input first: the model writes inputs for the task, and each gets the label that the model finds
  likeliest as its answer;
- output first: it writes an input for each label in turn. The label that it finds likeliest for
  that input shows whether the input deserves the one that was given.

A model that cannot write inputs (the house model) is measured on none.
"""

import argparse
import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import mean

from agents.inventing.instances import input_of
from agents.inventing.settings import InventionSettings
from bench.report import describe_machine, machine
from models.prompts.prompt import Prompt
from models.prompts.template import BOTH_TAGS, Task
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.serving.served_model import ServedModel
from schemas.ids import example_id, sampling_seed

_TASKS: dict[str, tuple[str, ...]] = {
    "Decide whether the movie review is positive or negative.": ("positive", "negative"),
    "Is this e-mail spam or not?": ("spam", "not spam"),
    "Which topic does the headline belong to: sport, politics, business or science?": (
        *("sport", "politics", "business", "science"),
    ),
    "Tell whether the comment is polite or rude.": ("polite", "rude"),
    "Which emotion does the sentence express: joy, anger, fear or sadness?": (
        *("joy", "anger", "fear", "sadness"),
    ),
    "Is the statement about animals true or false?": ("true", "false"),
    "Does the customer ask for a refund, for help or for information?": (
        *("refund", "help", "information"),
    ),
    "Say whether the sentence is in the past, present or future tense.": (
        *("past", "present", "future"),
    ),
    "Is the sentence a question, a command or a statement?": (
        *("question", "command", "statement"),
    ),
    "Rate how difficult the recipe is: easy, medium or hard.": ("easy", "medium", "hard"),
}


@dataclass
class Labels:
    """The labels of one way, by task."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, task: str, label: str) -> None:
        """Count a label."""
        self.counts.setdefault(task, Counter())[label] += 1

    @property
    def top(self) -> float:
        """Share of the most frequent label, in the mean over the tasks."""
        return mean(max(one.values()) / one.total() for one in self.counts.values())

    @property
    def evenness(self) -> float:
        """Entropy of the labels as a share of its largest value, in the mean over the tasks."""
        return mean(
            -sum(n / one.total() * math.log(n / one.total()) for n in one.values())
            / math.log(len(_TASKS[task]))
            for task, one in self.counts.items()
        )


class Trial:
    """One model, and how it is sampled."""

    def __init__(self, model: ServedModel, inputs: int) -> None:
        self._model = model
        self._inputs = inputs

    async def run(self) -> list[str]:
        """Measure both ways. Returns rows of a table."""
        first, given, own = Labels(), Labels(), Labels()
        agreed: list[bool] = []
        for task, labels in _TASKS.items():
            for written in await asyncio.gather(
                *(self._write(task, number) for number in range(self._inputs))
            ):
                if written is not None:
                    first.add(task, await self._likeliest(task, written, labels))
            turns = list(itertools.islice(itertools.cycle(labels), self._inputs))
            for label, written in zip(
                turns,
                await asyncio.gather(*(self._write(task, *each) for each in enumerate(turns))),
                strict=True,
            ):
                if written is not None:
                    found = await self._likeliest(task, written, labels)
                    given.add(task, label)
                    own.add(task, found)
                    agreed.append(found == label)
        if not first.counts or not given.counts:
            return ["The model writes no inputs."]
        even = mean(1 / len(labels) for labels in _TASKS.values())
        chance = f"{even:.2f}"
        return [
            "| inputs | number | most frequent label | evenness | as its label |",
            "|---|---|---|---|---|",
            f"| evenly | | {even:.2f} | 1.00 | {chance} |",
            _row("input first, the label that the model finds", first, ""),
            _row("output first, the label that was given", given, f"{mean(agreed):.2f}"),
            _row("output first, the label that the model finds", own, ""),
        ]

    async def _write(self, task: str, number: int, label: str = "") -> str | None:
        kind = Task.LABELLED_INPUT if label else Task.INPUT
        settings = InventionSettings()
        id = example_id(task, label, kind, number)
        sampling = replace(
            settings.sampling(), max_tokens=settings.line_tokens, seed=sampling_seed(id)
        )
        texts = {"instruction": task, "label": label, "tag": BOTH_TAGS}
        written = await self._model.write(Prompt(kind, texts), sampling, one_line=True)
        return input_of(written.text) if written.finished else None

    async def _likeliest(self, task: str, given: str, labels: Sequence[str]) -> str:
        """The label with the highest probability as the whole answer."""
        prompter, engine = self._model.prompter, self._model.engine
        prompt = prompter.forward(task, given)
        nats = await asyncio.gather(
            *(engine.score(prompt, prompter.target(label)) for label in labels)
        )
        return min(zip(map(sum, nats), labels, strict=True))[1]


async def _measure(name: str, inputs: int) -> None:
    found = machine()
    model = await ServedModel.load(prepare(name, default_cache(), progress=print))
    try:
        rows = await Trial(model, inputs).run()
    finally:
        model.close()
    print(describe_machine(found))
    print(f"{name}: {len(_TASKS)} tasks, {inputs} inputs of each and way.\n")
    print("\n".join(rows))


def _row(name: str, labels: Labels, agreed: str) -> str:
    number = sum(one.total() for one in labels.counts.values())
    return f"| {name} | {number} | {labels.top:.2f} | {labels.evenness:.2f} | {agreed} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m bench.labels", description="Compare label distributions."
    )
    parser.add_argument("--model", default="smollm2", help="as --model of backstream")
    parser.add_argument("--inputs", type=int, default=12, help="inputs of each task and way")
    options = parser.parse_args()
    asyncio.run(_measure(options.model, options.inputs))
