"""bench.loop from a base to the report, with a tiny random model, ended again and again."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault(
    "ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"
)  # must precede torch, as must the next
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch

from agents.backward import Backward
from bench.loop import writing
from bench.loop.experiment import Inputs, identity, run
from bench.loop.plan import is_complete
from bench.loop.report import Header, write_report
from bench.loop.served import Compute
from bench.loop.settings import TINY
from bench.loop.splits import split
from bench.loop.steps import PieceOver, Results, Steps
from bench.loop.tune import tune
from schemas.records import Candidate, Offset, Provenance, Rejection, Segment
from tests.unit.bench.loop_data import documents, write_rows
from tests.unit.checkpoints import make_checkpoint

_SETTINGS = replace(TINY, last_rows=20, longest=1024, temperature=1.0)


class _Killed(BaseException):
    """Stands for a kill: nothing in the experiment catches it."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # more wait for each other where cores are shared


class _Backward(Backward):
    """Writes, and replaces what was written: the curator keeps nothing of a random model."""

    async def handle(
        self, segment: Segment, at: Offset | None = None
    ) -> list[Candidate | Rejection]:
        (outcome,) = await super().handle(segment)
        if segment.id < "2":
            return [outcome]
        return [
            Candidate(
                id=segment.id,
                instruction=f"Ask {segment.id[:4]} about {segment.id[4:8]} now",
                response=segment.text,
                provenance=Provenance(segment_id=segment.id),
            )
        ]


@pytest.mark.training
@pytest.mark.export
def test_a_run_that_is_killed_again_and_again_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "Backward", _Backward)
    base = make_checkpoint(tmp_path / "base", context=1024, layers=1, width=32, heads=2)
    data = write_rows(tmp_path / "dolly.jsonl")
    inputs = Inputs(base, data, documents(), tmp_path / "work")
    results = Results(tmp_path / "work" / "results")
    lines: list[str] = []
    looks = 0

    def is_over(kill: bool) -> bool:
        nonlocal looks
        looks += 1
        if kill and looks > 45:
            raise _Killed
        return looks > 45

    pieces = 0
    while not is_complete(_SETTINGS, results.seconds()):
        before, looks, pieces = len(results.seconds()), 0, pieces + 1
        over = partial(is_over, pieces % 2 == 0)
        try:
            with Steps(inputs.work, identity(inputs, _SETTINGS), lines.append, over) as steps:
                run(inputs, _SETTINGS, steps, Compute(threads=1))
        except (PieceOver, _Killed):
            assert len(results.seconds()) > before, "a piece must get on"
    assert pieces > 3
    done = [line.split(":")[0] for line in lines if "done in" in line]
    assert len(done) == len(set(done)), "no step was done twice"
    trained = results.value("m0-0.train")
    assert trained is not None
    assert (trained["steps"], trained["sequences"]) == (4, 16)
    sets = [results.value(f"{arm}-0.set") for arm in ("m1", "random", "likelihood", "digits")]
    assert {len(found["numbers"]) for found in sets if found} == {5}
    report = write_report(results, _SETTINGS, Header("c", "m"), tmp_path / "docs")
    assert "not run" not in report.read_text(encoding="utf-8")


@pytest.mark.training
def test_a_training_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    base = make_checkpoint(tmp_path / "base", context=1024, layers=1, width=32, heads=2)
    seeds = split(write_rows(tmp_path / "dolly.jsonl"), documents(), _SETTINGS).seeds
    settings = _SETTINGS.training(12, 0)

    def kill(detail: str) -> None:
        if detail.startswith("step 8"):
            raise _Killed

    def adapter(name: str) -> bytes:
        return (tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes()

    tune(base, base, seeds, (), settings, tmp_path / "once", lambda detail: None)
    with pytest.raises(_Killed):
        tune(base, base, seeds, (), settings, tmp_path / "twice", kill)
    assert not (tmp_path / "twice" / "adapter").exists()
    states = (tmp_path / "twice" / "steps").glob("checkpoint-*/trainer_state.json")
    assert max(json.loads(state.read_bytes())["global_step"] for state in states) == 6
    tune(base, base, seeds, (), settings, tmp_path / "twice", lambda detail: None)
    assert adapter("twice") == adapter("once")
