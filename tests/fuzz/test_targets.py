"""A few hundred inputs on each target, and that failures are found."""

import os
import sys
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.attempt import attempt, minimised
from tests.fuzz.campaign import Job, run_job, wait_for
from tests.fuzz.target import LARGEST, Parts, input_of
from tests.fuzz.targets import TARGETS

_SEED = 20_261_126
_UNITS_OF_WORK = {
    "settings": 40,
    "curated_set": 200,
    "parquet": 150,
    "markdown": 150,
    "live_page": 60,
}
"""Inputs of the slow targets."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_does_what_it_documents(name: str, tmp_path: Path) -> None:
    target = TARGETS[name](tmp_path)
    for number in range(_UNITS_OF_WORK.get(name, 500)):
        parts = input_of(name, target, _SEED, number)
        if sum(len(part or b"") for part in parts) > 10_000:
            continue  # those are for the time, which this test does not measure
        target.check(parts)


def test_an_input_follows_from_its_number_and_is_bounded(tmp_path: Path) -> None:
    for name in TARGETS:
        one, other = TARGETS[name](tmp_path), TARGETS[name](tmp_path)
        for number in range(20):
            parts = input_of(name, one, 1, number)
            assert sum(len(part or b"") for part in parts) <= LARGEST
            assert parts == input_of(name, other, 1, number)


_FAULTS = (b"raise", b"exit", b"memory", b"crash", b"hang", b"hidden")


class Faulty:
    """A target with faults of every kind."""

    share = 1

    def __init__(self, directory: Path) -> None:
        self.checked = 0

    def make(self, random: Random) -> Parts:
        return (random.choice(_FAULTS), None)

    def check(self, parts: Parts) -> None:
        self.checked += 1
        match parts[0] or b"":
            case b"raise":
                raise KeyError("undocumented")
            case b"exit":
                sys.exit(0)
            case b"memory":
                bytearray(8 << 30)
            case b"crash":
                os.abort()
            case b"hang":
                while True:
                    pass
            case data if b"!" in data:
                assert len(data) > 10**6, "a rare fault"


def test_every_fault_is_found_whatever_becomes_of_the_process() -> None:
    running = [run_job(Job("faulty", Faulty, 18, 0, 8, most_seconds=0.5))]
    [ended] = wait_for(running)
    assert not running
    assert ended.inputs == 8
    assert {finding.failure.kind.split(" in ")[0].strip() for finding in ended.findings} == {
        "KeyError",
        "SystemExit",
        "MemoryError",
        "exit status -6",
        "hang",
    }


def test_a_failing_input_is_made_small(tmp_path: Path) -> None:
    target = Faulty(tmp_path)
    parts: Parts = (b"x" * 1000 + b"!" + b"y" * 1000, b"beside")
    failure = attempt(target, parts)
    assert failure is not None
    assert "a rare fault" in failure.kind
    assert minimised(target, parts, failure) == (b"!", b"")


def test_what_takes_too_long_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.attempt.LIMIT_SECONDS", 0.0)
    target = Faulty(tmp_path)
    failure = attempt(target, (b"fine",))
    assert failure is not None
    assert failure.kind == "slow"
    assert target.checked == 3
