"""Which commands start the Kafka of a state directory where nothing runs on it."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from schemas.errors import ModelError, SettingsError
from streams.cli import prepare
from streams.cli.main import app
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.run.state_lock import only_one

_STARTS_TO_READ = (
    "audit",
    "curate --dry-run",
    "export -o out.jsonl",
    "report",
    "rate",
    "page",
    "decisions",
    "drop x",
    "accept x",
    "edit x",
    "undo",
    "dead-letters list",
    "dead-letters show 0@0",
    "dead-letters replay all",
    "review export --for argilla -o out.json",
    "review import answers.json --for argilla",
    "releases list",
    "releases show r-1",
    "releases compare r-1 r-2",
    "releases promote r-1",
    "releases rollback",
)
_STARTS_TO_WRITE = (
    "feed a.txt",
    "seed a.jsonl",
    "ask a.txt",
    "invent 2",
    "intake",
    "watch .",
    "worker",
    "trainer",
)
_NEEDS_ONE_THAT_RUNS = ("status", "status --watch", "tail", "export --follow -o out.jsonl")
_STARTS_NONE = (
    "check",
    "describe",
    "preview a.txt",
    "segment a.txt",
    "estimate a.txt",
    "config show",
    "models list",
    "models show house",
    "models add house",
    "models judge house answers.json",
    "models try house a",
    "prompts show",
    "prompts lint prompts.yaml",
    "releases sign r-1",
    "releases keygen key.pem",
)
_SUPERVISED = ("up", "demo")
"""They run a broker of their own: test_up and test_demo run them."""


class _Started(Exception):
    """An embedded broker would have started."""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands name, in the working directory; no model, and no broker."""

    def start(broker: EmbeddedBroker) -> str:
        raise _Started

    def no_model(*_: object, **__: object) -> Path:
        raise ModelError("no model in this test")

    monkeypatch.setattr(EmbeddedBroker, "start", start)
    monkeypatch.setattr(prepare, "prepare", lambda model, templates: tmp_path)
    monkeypatch.setattr("models.releases.catalogue.prepare", no_model)
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "a.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "answers.json").write_text("[]")


def _run(command: str, state: Path) -> Any:
    options = ["-s", f"state_dir={state}"] if "keygen" not in command else []
    return CliRunner().invoke(app, [*shlex.split(command), *options])


def _stopped(tmp_path: Path) -> Path:
    """A state directory with the data of a Kafka that does not run."""
    state = tmp_path / "state"
    (state / "kafka").mkdir(parents=True)
    return state


@pytest.mark.parametrize("command", [*_STARTS_TO_READ, *_STARTS_TO_WRITE])
def test_what_reads_or_writes_the_topics_starts_kafka_and_says_so(
    command: str, tmp_path: Path
) -> None:
    state = _stopped(tmp_path)
    ran = _run(command, state)
    assert isinstance(ran.exception, _Started), (ran.exception, ran.output)
    said = f"nothing runs on {state}: starting its Kafka for as long as this command runs"
    assert said in ran.stderr
    assert said not in ran.stdout


@pytest.mark.parametrize("command", _NEEDS_ONE_THAT_RUNS)
def test_what_shows_a_stream_at_work_starts_nothing_and_says_what_to_start(
    command: str, tmp_path: Path
) -> None:
    state = _stopped(tmp_path)
    refused = _run(command, state)
    assert isinstance(refused.exception, SettingsError), refused.exception
    assert f"start `backstream up --state-dir {state}`" in str(refused.exception)


@pytest.mark.parametrize("command", ["status", "audit", "feed a.txt"])
@pytest.mark.parametrize("made", [[], ["kafka"]])
def test_an_up_whose_kafka_starts_is_named_and_none_is_started_beside_it(
    command: str, made: list[str], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with only_one(state):
        for name in made:
            (state / name).mkdir()
        refused = _run(command, state)
    assert isinstance(refused.exception, SettingsError), refused.exception
    said = f"runs on {state}, as process {os.getpid()}, and its Kafka does not run yet"
    assert said in str(refused.exception)


@pytest.mark.parametrize("command", _STARTS_NONE)
def test_what_needs_no_kafka_starts_none(command: str, tmp_path: Path) -> None:
    assert not isinstance(_run(command, _stopped(tmp_path)).exception, _Started)


@pytest.mark.parametrize("command", [*_STARTS_TO_READ, *_NEEDS_ONE_THAT_RUNS])
def test_what_reads_refuses_a_missing_state_directory(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    failed = _run(command, missing)
    assert isinstance(failed.exception, SettingsError)
    assert f"the state directory {missing} does not exist" in str(failed.exception)
    assert "--broker" in str(failed.exception)
    assert not missing.exists()
    (tmp_path / "other").mkdir()
    assert "other holds no Kafka data" in str(_run(command, tmp_path / "other").exception)


@pytest.mark.parametrize("command", _STARTS_TO_WRITE)
def test_what_writes_starts_kafka_in_a_new_state_directory_and_names_it(
    command: str, tmp_path: Path
) -> None:
    state = tmp_path / "new"
    begun = _run(command, state)
    assert isinstance(begun.exception, _Started)
    assert f"{state} is new: `backstream up --state-dir {state}` starts" in begun.stderr


def _paths(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _paths(command, (*path, name))
        else:
            yield (*path, name)


def _name(command: str, known: set[str]) -> str:
    words = command.split()
    return next(name for name in (" ".join(words[:2]), words[0]) if name in known)


def test_every_command_is_in_the_table_and_in_that_of_the_documentation() -> None:
    known = {" ".join(path) for path in _paths(typer.main.get_command(app))}
    rows = {
        "starts Kafka for itself | error": _STARTS_TO_READ,
        "starts Kafka for itself | creates it": _STARTS_TO_WRITE,
        "error that says what to start | error": _NEEDS_ONE_THAT_RUNS,
        "starts Kafka | creates it": _SUPERVISED,
    }
    told = [*_STARTS_NONE, *(one for row in rows.values() for one in row)]
    assert {_name(command, known) for command in told} == known
    page = Path(__file__).parents[4].joinpath("docs", "settings.md").read_text()
    for row, commands in rows.items():
        cells = " ".join(
            line.partition("|")[2].partition("|")[0]
            for line in page.splitlines()
            if line.endswith(f"| {row} |")
        )
        for command in commands:
            name = _name(command, known)
            assert f"`{name}" in cells or f"`{name.split()[-1]}`" in cells, (row, name)
