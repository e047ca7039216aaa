"""Training of the writer: a run that is killed goes on, and its adapter can be merged."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.prompts.layout import Prompter
from models.releases.adapters import write_merged
from models.releases.checkpoints import CHAT_TEMPLATE
from models.releases.names import WRITER_ADAPTER
from models.training import tuning
from models.writer.run import WEIGHTS, train
from models.writer.settings import Recipe
from tests.unit.checkpoints import make_checkpoint

_RECIPE = Recipe(
    held_out=10,
    validation=8,
    shortest=10,
    least_share=1.0,
    documentation_copies=0,
    seed_copies=1,
    forward_share=0.0,
    ratings=4,
    epochs=1,
    rank=2,
    batch=4,
    micro_batch=4,
    save_steps=1,
    longest=900,
)


@pytest.fixture
def dolly(tmp_path: Path) -> Path:
    rows = [
        {
            "instruction": f"{name} {name[::-1]} {name * 2}?",
            "context": "",
            "response": f"{name.capitalize()} is for {n} kinds of work. It is old and of use.",
        }
        for n, name in enumerate(f"{a}{b}{c}" for a in "bdf" for b in "aeiou" for c in "lmn")
    ]
    file = tmp_path / "dolly.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


class _Killed(Exception):
    pass


@pytest.mark.training
def test_a_killed_run_ends_as_one_that_was_not(
    dolly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_checkpoint(
        tmp_path / "base",
        context=1024,
        layers=1,
        width=16,
        heads=2,
        markers=False,
        chat_template="x",
        half=False,
    )
    whole = train(_RECIPE, base, dolly, _made(tmp_path / "whole"), max_steps=4, measured=2)
    logged = (tmp_path / "whole" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line)["event"] for line in logged]
    assert events == ["started", "step", "step", "step", "step", "evaluated"]

    def kill(now: tuning.Step) -> None:
        if now.step == 2:
            raise _Killed

    def fit_until_killed(*given: Any, **named: Any) -> Any:
        fit: Any = tuning.fit
        return fit(*given[:-1], kill, **named)

    monkeypatch.setattr("models.writer.run.fit", fit_until_killed)
    with pytest.raises(_Killed):
        train(_RECIPE, base, dolly, _made(tmp_path / "cut"), max_steps=4, measured=0)
    monkeypatch.undo()
    resumed = train(_RECIPE, base, dolly, tmp_path / "cut", max_steps=4, measured=0)
    one, two = (load_file(adapter / WEIGHTS) for adapter in (whole, resumed))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        np.testing.assert_allclose(weight, two[name], rtol=0, atol=1e-3)
    write_merged(base, resumed, tmp_path / "merged")
    template = (WRITER_ADAPTER / CHAT_TEMPLATE).read_text(encoding="utf-8")
    chat = Prompter.load(tmp_path / "merged").chat
    assert chat is not None
    assert chat.source == template
    assert Prompter.load(tmp_path / "merged").rated == (), "rating prompts have no earlier turns"


def test_the_recipe_trains_to_a_rate_of_zero() -> None:
    settings = replace(Recipe(), rate=0.5).training(max_steps=3)
    assert (settings.rate, settings.final_share, settings.max_steps) == (0.5, 0.0, 3)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
