"""``backstream models``: add, list, show, try."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from tests.unit.checkpoints import make_checkpoint

_run = CliRunner().invoke


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "small", context=2048)


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path_factory.getbasetemp() / "models-command-cache"
    monkeypatch.setenv("BACKSTREAM_CACHE", str(directory))
    return directory


@pytest.mark.slow
def test_add_show_and_list_agree(checkpoint: Path, cache: Path) -> None:
    added = json.loads(_run(app, ["models", "add", str(checkpoint), "--json"]).stdout)
    assert added["id"].startswith("small-")
    assert added["context_window"] == 2048
    assert json.loads(_run(app, ["models", "show", str(checkpoint), "--json"]).stdout) == added
    assert json.loads(_run(app, ["models", "list", "--json"]).stdout) == [added]
    assert added["id"] in _run(app, ["models", "list"]).stdout
    shown = _run(app, ["models", "show", str(checkpoint)]).stdout
    assert added["directory"] in shown
    assert "context window 2,048 tokens" in shown


def test_what_can_be_had_by_name_is_listed_with_size_and_licence() -> None:
    listed = json.loads(_run(app, ["models", "list", "--available", "--json"]).stdout)
    found = {model["name"]: (model["download_bytes"], model["licence"]) for model in listed}
    assert found["house"] == (0, "CC BY-SA 3.0")
    assert found["smollm2"] == (92_871_040, "Apache-2.0")
    assert found["writer"] == (92_871_040, "CC BY-SA 3.0")
    plain = _run(app, ["models", "list", "--available"]).stdout
    assert "downloads 93 MB" in plain
    assert "bundled" in plain


@pytest.mark.slow
def test_try_shows_prompts_answers_probabilities_and_speed(
    checkpoint: Path, cache: Path, tmp_path: Path
) -> None:
    file = tmp_path / "passage.txt"
    file.write_text("Tides follow the moon.\n", encoding="utf-8")
    options = [str(checkpoint), str(file), "-s", "generation.max_tokens=8"]
    trial = json.loads(_run(app, ["models", "try", *options, "--json"]).stdout)
    assert trial["backward_prompt"] == "<|response|>Tides follow the moon.<|instruction|>"
    assert sum(trial["rating"]["probabilities"]) == pytest.approx(1)
    assert 0 < trial["generated_tokens"] <= 8
    assert trial["seconds"] > 0
    plain = _run(app, ["models", "try", *options]).stdout
    for part in (
        "BACKWARD PROMPT",
        "INSTRUCTION",
        "RATING PROMPT",
        "RATING",
        "1: 0.",
        "prompt tokens read",
    ):
        assert part in plain
    from_input = _run(
        app,
        ["models", "try", str(checkpoint), "-", *options[2:], "--json"],
        input="Tides follow the moon.",
    )
    assert json.loads(from_input.stdout)["rating"] == trial["rating"]


@pytest.mark.parametrize("text", ["Tides follow the moon. " * 200, "Tides\0"])
def test_argument_that_is_not_a_file_is_the_text(checkpoint: Path, cache: Path, text: str) -> None:
    tried = _run(app, ["models", "try", "no/such-model", text])
    assert "no/such-model" in str(tried.exception), "the text was read; only the model is missing"


def test_an_empty_text_is_refused(cache: Path) -> None:
    failed = _run(app, ["models", "try", "house", "-"], input="  ")
    assert failed.exit_code != 0
    assert "no text" in str(failed.exception)


def test_list_of_an_empty_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKSTREAM_CACHE", str(tmp_path / "none"))
    listed = _run(app, ["models", "list"])
    assert listed.exit_code == 0
    assert "no model is exported yet" in listed.output
