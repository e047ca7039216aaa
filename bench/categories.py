"""How well a model's choice among first words tells the category of a task, against labels.

    python -m bench.categories gather MODEL DATA FILE   what the model chooses, a JSON line a row
    python -m bench.categories fit FILE...              writes the rule of models/prompts/
    python -m bench.categories report FILE              accuracy and confusion, as Markdown

DATA is Dolly's file. The labels are those of ``docs/results/categories.jsonl``: by the id of the
row, one of the eight categories, given by reading the row's texts without a category. The rule is
fitted on the rows of the part ``fit`` and measured on those of ``held_out``, which are among the
last 1,000 rows, that no model here was trained on.

A row's category is told three ways: from its passage alone (the context, or the response where
there is none), as the stream does before anything is written; from the same where it is known
whether the row has a context; and by asking for its name, with the whole row shown.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from agents.tasks.choosing import prompt_for
from models.evaluation.bootstrap import bootstrap_intervals
from models.evaluation.metrics import Array
from models.prompts.categories import RULE_FILE, WORDS, CategoryRule, shipped_rule, word_gains
from models.prompts.prompt import Prompt
from models.prompts.template import SEED_TAG, Task
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.serving.served_model import ServedModel
from schemas.categories import WITH_CONTEXT, Category
from schemas.errors import ModelError

LABELS = Path(__file__).parents[1] / "docs" / "results" / "categories.jsonl"
CATEGORIES = tuple(Category)
_LONGEST = 3000
"""Characters of a text that are shown, as of a passage."""
_AT_ONCE = 8
_STEPS, _RATE, _PENALTY = 3000, 0.3, 3.0
_ASKED = """\
Which kind of task is this? Choose one: brainstorming, classification, closed question, creative \
writing, general question, information extraction, open question, summarization.

Request: {instruction}
{given}Answer: {response}

Reply with the kind alone."""
_NAMES = {
    Category.BRAINSTORMING: "brainstorming",
    Category.CLASSIFICATION: "classification",
    Category.CLOSED_QA: "closed question",
    Category.CREATIVE_WRITING: "creative writing",
    Category.GENERAL_QA: "general question",
    Category.INFORMATION_EXTRACTION: "information extraction",
    Category.OPEN_QA: "open question",
    Category.SUMMARIZATION: "summarization",
}
_EITHER_WAY = frozenset({Category.CLASSIFICATION})
"""Categories whose rows have a context or none."""
_WAYS = {
    "passage": "the passage alone",
    "halved": "the passage, with or without a context",
    "asked": "asked for the name",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a model chose for one row: probabilities of WORDS, and of the names."""

    id: int
    part: str
    label: str
    has_context: bool
    passage: list[float]
    empty: list[float]
    asked: list[float]
    """Of the categories in their order; divided by those of an empty row. Empty where the model
    cannot be asked.
    """


def read_labels() -> dict[int, tuple[str, str]]:
    """Part and label of each labelled row, by its id."""
    rows = map(json.loads, LABELS.read_text(encoding="utf-8").splitlines())
    return {row["id"]: (row["part"], row["label"]) for row in rows}


async def gather(release: Path, data: Path, file: Path) -> None:
    """Write what the model chooses for each labelled row."""
    labels = read_labels()
    with data.open(encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["id"] in labels]
    model = await ServedModel.load(release, device="cpu")
    room = asyncio.Semaphore(_AT_ONCE)

    async def chosen(passage: str) -> list[float]:
        async with room:
            prompt = prompt_for(passage[:_LONGEST], None, ())
            return list((await model.choose(prompt, WORDS)).probabilities)

    async def asked(row: Mapping[str, str]) -> list[float]:
        given = f"Material: {row['context'][:_LONGEST]}\n" if row["context"] else ""
        texts = _ASKED.format(
            instruction=row["instruction"], given=given, response=row["response"][:600]
        )
        prompt = Prompt(Task.FORWARD, {"instruction": texts, "tag": SEED_TAG})
        async with room:
            return list((await model.choose(prompt, list(_NAMES.values()))).probabilities)

    async def found(row: Mapping[str, str]) -> Found:
        part, label = labels[int(row["id"])]
        response, context = row["response"], row["context"].strip() or None
        by_name: list[float] = []
        if with_names is not None:
            by_name = [one / other for one, other in zip(await asked(row), with_names, strict=True)]
        passage = await chosen(context or response)
        return Found(int(row["id"]), part, label, bool(context), passage, empty, by_name)

    try:
        empty = await chosen("")
        try:
            with_names = await asked({"instruction": "", "context": "", "response": ""})
        except ModelError:  # two names begin with the same token
            with_names = None
        done = await asyncio.gather(*map(found, rows))
    finally:
        model.close()
    file.write_text("".join(json.dumps(asdict(each)) + "\n" for each in done), encoding="utf-8")


def read_found(file: Path, part: str) -> list[Found]:
    """The rows of a part."""
    rows = (Found(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row.part == part]


def fit(rows: Sequence[Found], penalty: float = _PENALTY) -> CategoryRule:
    """Fit a rule on the passages alone, with an L2 penalty. Each label weighs the same."""
    inputs = np.array([word_gains(row.passage, row.empty) for row in rows])
    labels = [CATEGORIES.index(Category(row.label)) for row in rows]
    counts = Counter(labels)
    share = np.array([1 / counts[label] for label in labels])[:, None] / len(counts)
    targets = np.eye(len(CATEGORIES))[labels]
    spread = inputs.std(axis=0) + 1e-6
    scaled = np.c_[(inputs - inputs.mean(axis=0)) / spread, np.ones(len(rows))]
    weights = np.zeros((scaled.shape[1], len(CATEGORIES)))
    keep = np.r_[np.ones(inputs.shape[1]), 0.0][:, None]
    for _ in range(_STEPS):
        scores = scaled @ weights
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = (powers / powers.sum(axis=1, keepdims=True) - targets) * share
        weights -= _RATE * (scaled.T @ error + penalty / len(rows) * weights * keep)
    slopes = weights[:-1] / spread[:, None]
    bias = weights[-1] - inputs.mean(axis=0) @ slopes
    return CategoryRule(
        words=WORDS,
        weights={
            category: tuple(round(float(w), 4) for w in slopes[:, n])
            for n, category in enumerate(CATEGORIES)
        },
        bias={category: round(float(bias[n]), 4) for n, category in enumerate(CATEGORIES)},
    )


def told(rows: Sequence[Found], way: str, rule: CategoryRule) -> list[Category]:
    """The most probable category of each row. With the context known, of those that it leaves."""
    found = []
    for row in rows:
        shares = (
            dict(zip(CATEGORIES, row.asked, strict=True))
            if way == "asked"
            else rule.shares(row.passage, row.empty)
        )
        left = [
            one
            for one in CATEGORIES
            if way == "passage" or one in _EITHER_WAY or (one in WITH_CONTEXT) == row.has_context
        ]
        found.append(max(left, key=shares.__getitem__))
    return found


def confusion(labels: Sequence[Category], chosen: Sequence[Category]) -> str:
    """A table: labels down, what was told across."""
    counts = Counter(zip(labels, chosen, strict=True))
    lines = [
        f"| label | {' | '.join(CATEGORIES)} |",
        f"|---|{'---:|' * len(CATEGORIES)}",
    ]
    lines += [
        f"| {label} | {' | '.join(str(counts[label, one] or '') for one in CATEGORIES)} |"
        for label in CATEGORIES
    ]
    return "\n".join(lines)


def report(rows: Sequence[Found], rule: CategoryRule) -> str:
    """The accuracies of a model in Markdown."""
    labels = [Category(row.label) for row in rows]
    parts = [
        f"{len(rows)} held-out rows, of which {max(Counter(labels).values())} have the most "
        "frequent label."
    ]
    lines = ["| told from | accuracy | with or without a context |", "|---|---|---|"]
    tables: list[str] = []
    for way, called in _WAYS.items():
        if way == "asked" and not all(row.asked for row in rows):
            continue
        chosen = told(rows, way, rule)
        right = np.array([one is label for one, label in zip(chosen, labels, strict=True)])
        half = np.array(
            [
                (one in WITH_CONTEXT) == (label in WITH_CONTEXT)
                for one, label in zip(chosen, labels, strict=True)
            ]
        )
        cells = [_interval(right), _interval(half) if way == "passage" else "given"]
        lines.append(f"| {called} | {cells[0]} | {cells[1]} |")
        tables += [
            f"Told from {called}:" if way != "asked" else f"{called.capitalize()}:",
            confusion(labels, chosen),
        ]
    return "\n\n".join([*parts, "\n".join(lines), *tables])


def _interval(right: Array) -> str:
    found = bootstrap_intervals(lambda rows: {"share": float(right[rows].mean())}, len(right))
    value, low, high = found["share"]
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def cross_validated(files: Iterable[Path], penalty: float, folds: int = 8) -> float:
    """Accuracy from passages on the rows to fit on, each told by a rule fitted without it."""
    every = [read_found(file, "fit") for file in files]
    right = total = 0
    for fold in range(folds):
        training = [row for rows in every for n, row in enumerate(rows) if n % folds != fold]
        rule = fit(training, penalty)
        for rows in every:
            rest = [row for n, row in enumerate(rows) if n % folds == fold]
            right += sum(
                one == row.label for one, row in zip(told(rest, "passage", rule), rest, strict=True)
            )
            total += len(rest)
    return right / total


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.categories", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    gathering = commands.add_parser("gather")
    gathering.add_argument("model")
    gathering.add_argument("data", type=Path)
    gathering.add_argument("file", type=Path)
    commands.add_parser("fit").add_argument("files", type=Path, nargs="+")
    commands.add_parser("report").add_argument("file", type=Path)
    options = parser.parse_args()
    if options.command == "gather":
        release = prepare(options.model, default_cache(), progress=print)
        asyncio.run(gather(release, options.data, options.file))
    elif options.command == "fit":
        for penalty in (1.0, _PENALTY, 10.0, 30.0):
            accuracy = cross_validated(options.files, penalty)
            print(f"penalty {penalty:g}: {accuracy:.3f} cross-validated", file=sys.stderr)
        rule = fit([row for file in options.files for row in read_found(file, "fit")])
        RULE_FILE.write_text(rule.model_dump_json(indent=1) + "\n", encoding="utf-8")
    else:
        print(report(read_found(options.file, "held_out"), shipped_rule()))


if __name__ == "__main__":
    main()
