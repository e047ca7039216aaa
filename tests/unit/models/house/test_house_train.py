"""Training of the house model: a resumed run ends with the same weights; dropout."""

import json
from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from models.house import train as training
from models.house.settings import Phase, Recipe

_PHASE = Phase(
    tokens=3_000, passages=0.2, forward=0.2, rated=0.3, decay=0.5, dropout=0.2, shortened=0.5
)
_RECIPE = Recipe(
    vocabulary=300,
    layers=1,
    width=32,
    feed_forward=32,
    heads=2,
    key_value_heads=1,
    phases=(_PHASE, _PHASE),
    batch_tokens=900,
    held_out=2,
    held_out_passages=0.0,
    checkpoint_minutes=0.0,
)


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """A file of pairs and one of passages."""
    pairs, passages = tmp_path / "pairs.jsonl", tmp_path / "passages.jsonl"
    rows = [
        {
            "instruction": f"What is thing {n} for?",
            "context": "",
            "response": f"Thing {n} is for work. It is old. It is {n}. " * 2,
        }
        for n in range(40)
    ]
    texts = [
        {
            "source": f"doc/{n}",
            "headings": [f"Part {n}"],
            "text": f"Part {n} says this. And that, too.",
        }
        for n in range(9)
    ]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    passages.write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    return pairs, passages


class _Killed(Exception):
    pass


@pytest.mark.training
def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = _weights(training.train(_RECIPE, *data, tmp_path / "undisturbed"))
    steps, step = 0, training.train_step

    def step_until_killed(*arguments: object) -> float:
        nonlocal steps
        steps += 1
        if steps in (2, 7):
            raise _Killed
        return step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train_step", step_until_killed)
    work = tmp_path / "interrupted"
    for _ in range(2):
        with pytest.raises(_Killed):
            training.train(_RECIPE, *data, work)
    interrupted = _weights(training.train(_RECIPE, *data, work))
    assert interrupted.keys() == undisturbed.keys()
    assert all(torch.equal(interrupted[name], weight) for name, weight in undisturbed.items())


def test_dropout_acts_only_in_training_and_only_if_set() -> None:
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
        )
    )
    dropout = training.add_dropout(model)
    ids = torch.arange(12)[None]

    def twice() -> bool:
        return torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)

    model.train()
    assert twice()
    dropout.p = 0.3
    assert not twice()
    model.eval()
    assert twice()


def _weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return dict(Qwen3ForCausalLM.from_pretrained(checkpoint).state_dict())
