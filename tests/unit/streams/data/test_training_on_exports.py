"""Exports in the libraries that they are for: datasets reads every shape, and TRL trains on it."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Example, ExampleOrigin, Preference, Provenance, Rating, Side, Turn
from streams.data.exports import Shape, json_line
from streams.data.shards import Form, ShapeName
from tests.unit.checkpoints import make_checkpoint

_ROOT = Path(__file__).parents[4]
_CHAT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
_RATING = Rating(
    score=4.5,
    probabilities=(0, 0, 0, 0.5, 0.5),
    release="r",
    template="t",
    evidence={"digit": 4.0},
    precision=0.9,
)
_QUIET: dict[str, Any] = {
    "max_steps": 3,
    "per_device_train_batch_size": 2,
    "max_length": 256,
    "report_to": [],
    "save_strategy": "no",
    "use_cpu": True,
    "bf16": False,
}


def _example(number: int, exchanges: int = 0, rated: bool = False) -> Example:
    turns = tuple(
        Turn(role=role, text=f"{role} {number} {step}")  # type: ignore[arg-type]
        for step in range(exchanges)
        for role in ("user", "assistant")
    )
    example = Example(
        id=str(number),
        instruction="And then?",
        response=f"Answer {number}.",
        turns=turns,
        origin=ExampleOrigin.SEED,
    )
    if not rated:
        return example
    known = {"rating": _RATING, "context": "A text.", "confidence": 0.8, "category": "closed_qa"}
    made = Provenance(source="a.md", document_id="d", language="en")
    return example.model_copy(
        update={**known, "origin": ExampleOrigin.AUGMENTED, "provenance": made}
    )


def _pair(number: int) -> Preference:
    sides = [
        Side(id=f"{number}{name}", text=f"{name} answer {number}.", rating=_RATING)
        for name in ("good", "bad")
    ]
    return Preference(
        id=f"{number}.forward",
        example_id=str(number),
        task="forward",
        prompt=f"Why {number}?",
        chosen=sides[0],
        rejected=sides[1],
        margin=1.0,
    )


# Most have no earlier turns and no rating, as seeds; the first ones decide the types of columns.
_EXAMPLES = [
    _example(number, number % 3 if number > 3 else 0, rated=number > 5) for number in range(8)
]


def _loaded(*files: Path) -> Any:
    from datasets import Dataset

    cache = str(files[0].parent / "cache")
    from_file = Dataset.from_parquet if files[0].suffix == ".parquet" else Dataset.from_json
    return from_file([str(file) for file in files], cache_dir=cache)


@pytest.mark.training
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("shape", Shape)
def test_datasets_reads_every_shape(tmp_path: Path, suffix: str, shape: Shape) -> None:
    """With scores at the end alone, and files of two runs of which one has no scores."""
    form = Form(shape.value, with_evidence=True)
    files = [tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"]
    form.write(_EXAMPLES, files[0])
    form.write(_EXAMPLES[:1], files[1])
    rows = _loaded(*files)
    assert len(rows) == len(_EXAMPLES) + 1
    assert [row["score"] for row in rows][-2:] == (
        [4.5, 0.0] if suffix == ".jsonl" else [4.5, None]
    )
    if shape is Shape.CHAT:
        assert [len(row["messages"]) for row in rows][:8] == [2 + len(e.turns) for e in _EXAMPLES]


@pytest.mark.training
def test_scores_after_15300_rows_without_one_are_read(tmp_path: Path) -> None:
    bare, rated = (
        [json_line(each, Shape.TRIPLES, True) for each in (_EXAMPLES[0], _EXAMPLES[1])],
        json_line(_EXAMPLES[-1], Shape.TRIPLES, True),
    )
    padded = [line.replace("Answer", "Answer " + "long " * 400) for line in bare]
    path = tmp_path / "late.jsonl"
    path.write_text("\n".join([*padded * 7650, *[rated] * 10]) + "\n")
    rows = _loaded(path)
    assert len(rows) == 15_310
    assert (rows[0]["score"], rows[-1]["score"]) == (0.0, 4.5)
    assert json.loads(rows[-1]["turns"])[0]["role"] == "user"
    assert (rows[0]["category"], rows[-1]["category"]) == ("", "closed_qa")


@pytest.mark.training
@pytest.mark.parametrize("shape", ["oasst", "dpo"])
def test_datasets_reads_messages_and_pairs(tmp_path: Path, shape: ShapeName) -> None:
    items = [_pair(number) for number in range(4)] if shape == "dpo" else _EXAMPLES
    Form(shape).write(items, tmp_path / "out.parquet")
    rows = _loaded(tmp_path / "out.parquet")
    assert {"source", "score"} <= set(rows.column_names)
    if shape == "oasst":
        assert {row["role"] for row in rows} == {"prompter", "assistant"}
        assert {row["example_id"] for row in rows} == {"", *(each.id for each in _EXAMPLES)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model with a chat template."""
    directory = tmp_path_factory.mktemp("model") / "tiny"
    return make_checkpoint(directory, markers=False, chat_template=_CHAT, half=False)


def _told(row: dict[str, Any]) -> dict[str, str]:
    """Prompt and completion of a row of triples or of Alpaca."""
    given = row.get("context", row.get("input")) or ""
    return {
        "prompt": f"{row['instruction']}\n\n{given}\n\n",
        "completion": row.get("response", row.get("output", "")),
    }


@pytest.mark.training
@pytest.mark.parametrize("shape", [*(shape.value for shape in Shape), "oasst", "dpo"])
def test_trl_trains_three_steps_on_every_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path, shape: ShapeName
) -> None:
    monkeypatch.setitem(os.environ, "TQDM_DISABLE", "1")
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    items = [_pair(number) for number in range(8)] if shape == "dpo" else _EXAMPLES
    file = tmp_path / ("out.parquet" if shape == "oasst" else "out.jsonl")
    Form(shape).write(items, file)
    rows = _loaded(file)
    if shape in ("triples", "alpaca"):
        rows = rows.map(_told, remove_columns=rows.column_names)
    config, trained = (DPOConfig, DPOTrainer) if shape == "dpo" else (SFTConfig, SFTTrainer)
    trainer = trained(
        model=str(checkpoint),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        train_dataset=rows,
        args=config(output_dir=str(tmp_path / "out"), **_QUIET),
    )
    if shape in ("chat", "sharegpt"):
        texts = [trainer.processing_class.decode(row["input_ids"]) for row in trainer.train_dataset]
        # TRL keeps the names of ShareGPT's roles.
        user, assistant = ("user", "assistant") if shape == "chat" else ("human", "gpt")
        said = f"<{user}>user 5 0<|end|><{assistant}>assistant 5 0<|end|>"
        assert any(said in text for text in texts)
    assert trainer.train().global_step == 3


@pytest.mark.training
def test_the_documented_training_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    """The Python block of docs/exports.md, with a tiny model and without its side effects."""
    monkeypatch.setitem(os.environ, "TQDM_DISABLE", "1")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(
        r"```python\n(.*?)```", (_ROOT / "docs" / "exports.md").read_text(), re.DOTALL
    )
    assert len(block.splitlines()) <= 12
    Form("chat").write(_EXAMPLES, tmp_path / "curated.train.jsonl")
    Form("chat").write(_EXAMPLES[:2], tmp_path / "curated.test.jsonl")
    for there, here in (
        ("HuggingFaceTB/SmolLM2-135M-Instruct", str(checkpoint)),
        ('output_dir="sft", bf16=False', 'output_dir="sft", **quiet'),
    ):
        assert there in block
        block = block.replace(there, here)
    names: dict[str, Any] = {"quiet": _QUIET}
    exec(block, names)
    assert names["trainer"].state.global_step == 3
