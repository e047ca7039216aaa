"""Preference pairs as rows of TRL's format, which its trainer takes."""

import json
from pathlib import Path

import pytest

from models.prompts.messages import MessagePrompter
from schemas.records import Preference, Provenance, Rating, Side
from schemas.turns import Turn
from streams.data.preferences import dpo_row, write_preferences
from tests.unit.checkpoints import make_checkpoint

_CHAT = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def _side(id: str, text: str, score: float) -> Side:
    rating = Rating(score=score, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
    return Side(id=id, text=text, rating=rating, provenance=Provenance(segment_id="s"))


_FORWARD = Preference(
    id="e.forward",
    example_id="e",
    task="forward",
    prompt="How does a lock work?",
    context="On canals.",
    turns=(Turn(role="user", text="Hello."), Turn(role="assistant", text="Hi.")),
    chosen=_side("e", "It raises ships.", 4.5),
    rejected=_side("f", "LOCKS. See above.", 3.5),
    margin=1.0,
)
_BACKWARD = Preference(
    id="e.backward",
    example_id="e",
    task="backward",
    prompt="A lock raises ships.",
    headings=("Canals",),
    chosen=_side("e", "How does a lock work?", 4.5),
    rejected=_side("g", "Who?", 2.0),
    margin=2.5,
)
_PAIRS = (_FORWARD, _BACKWARD)


def test_a_forward_pair_is_two_answers_to_a_conversation() -> None:
    assert dpo_row(_FORWARD) == {
        "prompt": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": "How does a lock work?\n\nOn canals."},
        ],
        "chosen": [{"role": "assistant", "content": "It raises ships."}],
        "rejected": [{"role": "assistant", "content": "LOCKS. See above."}],
        "task": "forward",
        "id": "e",
        "source": "",
        "score": 4.5,
        "score_chosen": 4.5,
        "score_rejected": 3.5,
    }


def test_a_backward_pair_has_the_prompt_that_asks_for_an_instruction() -> None:
    row = dpo_row(_BACKWARD)
    assert row["prompt"] == MessagePrompter().backward(_BACKWARD.prompt, None, ("Canals",))
    assert "A lock raises ships." in row["prompt"][-1]["content"]
    assert row["rejected"] == [{"role": "assistant", "content": "Who?"}]


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.parquet"])
def test_hugging_face_reads_the_file(tmp_path: Path, name: str) -> None:
    datasets = pytest.importorskip("datasets")
    file = tmp_path / name
    assert write_preferences(_PAIRS, file) == 2
    kind = "json" if file.suffix == ".jsonl" else "parquet"
    loaded = datasets.load_dataset(
        kind, data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert list(loaded) == [dpo_row(pair) for pair in _PAIRS]


def test_no_pairs_are_an_empty_file(tmp_path: Path) -> None:
    assert write_preferences((), tmp_path / "none.parquet") == 0
    assert write_preferences((), tmp_path / "none.jsonl") == 0
    assert (tmp_path / "none.jsonl").read_text() == ""


def test_lines_are_json_in_utf_8(tmp_path: Path) -> None:
    pair = _FORWARD.model_copy(update={"prompt": "Wie hebt eine Schleuse Schiffe? 船闸\u2028"})
    write_preferences([pair], tmp_path / "pairs.jsonl")
    [line] = (tmp_path / "pairs.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads(line) == dpo_row(pair)


@pytest.mark.training
@pytest.mark.slow
def test_the_dpo_trainer_takes_them(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "tiny", markers=False, chat_template=_CHAT, half=False)
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    file = tmp_path / "pairs.parquet"
    write_preferences(_PAIRS * 3, file)
    pairs = load_dataset(
        "parquet", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")
    )
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    before = {name: value.clone() for name, value in model.named_parameters()}
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(
            output_dir=str(tmp_path / "trained"),
            max_steps=3,
            per_device_train_batch_size=2,
            learning_rate=1e-3,
            logging_steps=1,
            report_to=[],
            use_cpu=True,
            bf16=False,
            save_strategy="no",
        ),
        train_dataset=pairs,
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
    )
    trainer.train()
    losses = [each["loss"] for each in trainer.state.log_history if "loss" in each]
    assert len(losses) == 3
    assert all(loss > 0 for loss in losses)
    assert any(
        not torch.equal(before[name], value.cpu()) for name, value in model.named_parameters()
    )
