"""Exports of conversations in the libraries that they are for: datasets and TRL."""

import os
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Example, ExampleOrigin, Turn
from streams.data.exports import Shape, write_jsonl, write_parquet
from streams.data.trees import write_messages
from tests.unit.checkpoints import make_checkpoint

_CHAT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def _example(number: int, exchanges: int) -> Example:
    turns = tuple(
        Turn(role=role, text=f"{role} {number} {step}")  # type: ignore[arg-type]
        for step in range(exchanges)
        for role in ("user", "assistant")
    )
    return Example(
        id=str(number),
        instruction="And then?",
        response=f"Answer {number}.",
        turns=turns,
        origin=ExampleOrigin.SEED,
    )


# Most have no earlier turns, as on a stream; the first ones decide the types of columns.
_EXAMPLES = [_example(number, number % 3 if number > 3 else 0) for number in range(8)]


def _loaded(kind: str, file: Path) -> Any:
    from datasets import Dataset

    cache = str(file.parent / "cache")
    from_file = Dataset.from_parquet if kind == "parquet" else Dataset.from_json
    return from_file(str(file), cache_dir=cache)


@pytest.mark.training
@pytest.mark.parametrize("kind", ["json", "parquet"])
@pytest.mark.parametrize("shape", Shape)
def test_datasets_reads_every_shape(tmp_path: Path, kind: str, shape: Shape) -> None:
    write = write_parquet if kind == "parquet" else write_jsonl
    write(_EXAMPLES, tmp_path / f"out.{kind}", shape)
    rows = _loaded(kind, tmp_path / f"out.{kind}")
    assert len(rows) == len(_EXAMPLES)
    if shape is Shape.CHAT:
        assert [len(row["messages"]) for row in rows] == [2 + len(e.turns) for e in _EXAMPLES]


@pytest.mark.training
def test_datasets_reads_the_messages_of_trees(tmp_path: Path) -> None:
    write_messages(_EXAMPLES, tmp_path / "out.parquet")
    rows = _loaded("parquet", tmp_path / "out.parquet")
    assert {row["role"] for row in rows} == {"prompter", "assistant"}


@pytest.mark.training
def test_trl_trains_on_chats_with_earlier_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TQDM_DISABLE", "1")
    checkpoint = make_checkpoint(tmp_path / "model", markers=False, chat_template=_CHAT, half=False)
    write_jsonl(_EXAMPLES, tmp_path / "chat.jsonl", Shape.CHAT)
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        model=str(checkpoint),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        train_dataset=_loaded("json", tmp_path / "chat.jsonl"),
        args=SFTConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=2,
            per_device_train_batch_size=2,
            max_length=256,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            bf16=False,
        ),
    )
    texts = [trainer.processing_class.decode(row["input_ids"]) for row in trainer.train_dataset]
    assert any("<user>user 5 0<|end|><assistant>assistant 5 0<|end|>" in text for text in texts)
    assert trainer.train().global_step == 2
