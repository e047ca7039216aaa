"""``backstream models``: export a model once, look at it, and try it on a text."""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from models.releases.catalogue import cached, default_cache, prepare
from models.releases.facts import ModelFacts
from models.serving.trial import Trial, try_model
from schemas.errors import SettingsError
from streams.cli.options import Assignments, ConfigFile, Device, Json, say, settings_from
from streams.stages.topology import sampling_of
from streams.worker.role_models import load_model

app = typer.Typer(no_args_is_help=True, help="Export models, look at them, try them.")

Name = Annotated[
    str, typer.Argument(help="house, a checkpoint or release directory, or a Hugging Face id.")
]

_EXAMPLE = (
    "Water boils at 100 degrees Celsius at sea level. On a mountain the air is thinner, so "
    "its pressure is lower and water "
    "boils at a lower temperature. At 3,000 metres it is about 90 degrees, which is why food "
    "takes longer to cook there."
)


@app.command()
def add(model: Name, as_json: Json = False) -> None:
    """Export a model to ONNX once, verify it, and keep it.

    Example: `backstream models add Qwen/Qwen2.5-0.5B-Instruct`
    """
    _show(ModelFacts.read(prepare(model, default_cache(), progress=say)), as_json)


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """Show the exported models, oldest first.

    Example: `backstream models list`
    """
    found = [ModelFacts.read(directory) for directory in cached(default_cache())]
    if as_json:
        print(json.dumps([asdict(facts) for facts in found]))
        return
    for facts in found:
        day = time.strftime("%Y-%m-%d", time.localtime(facts.created_at))
        print(
            f"{facts.id:40} {facts.architecture:10} {facts.parameters / 1e6:>9,.1f} M  "
            f"{facts.bytes / 1e6:>9,.0f} MB  "
            f"{facts.precision}  context {facts.context_window:>7,}  {facts.family:8} {day}"
        )
    if not found:
        say(
            "no model is exported yet: `backstream models add MODEL`, or any command that "
            "runs one, does it"
        )


@app.command()
def show(model: Name, as_json: Json = False) -> None:
    """Show a model's size, precision, context window and prompts.

    Example: `backstream models show house`
    """
    _show(ModelFacts.read(prepare(model, default_cache(), progress=say)), as_json)


@app.command("try")
def try_(
    model: Name,
    text: Annotated[
        str,
        typer.Argument(
            help="The passage itself, a file that holds it, or - for standard input.",
            show_default=False,
        ),
    ] = _EXAMPLE,
    config: ConfigFile = None,
    assignments: Assignments = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Have a model write the instruction of a passage and rate the pair: prompts, answers,
    probabilities, speed.

    Example: `backstream models try house "Water boils at 100 degrees Celsius at sea level."`
    """
    settings = settings_from(config, assignments, device=device)
    passage = _read(text)

    async def run() -> Trial:
        served = await load_model(settings, prepared)
        try:
            return await try_model(served, passage, sampling_of(settings))
        finally:
            served.close()

    prepared = prepare(model, default_cache(), progress=say)
    trial = asyncio.run(run())
    if as_json:
        print(json.dumps({**asdict(trial), "rating": trial.rating.model_dump()}))
        return
    probabilities = "  ".join(
        f"{digit}: {p:.3f}" for digit, p in enumerate(trial.rating.probabilities, start=1)
    )
    print(
        "BACKWARD "
        f"PROMPT\n{trial.backward_prompt}\n\nINSTRUCTION{'' if trial.complete else ' (cut at max_tokens)'}"
    )
    print(f"{trial.instruction}\n\nRATING PROMPT\n{trial.rating_prompt}\n")
    print(
        f"RATING\n{trial.rating.score:.2f}   {probabilities}   (the digits have "
        f"{trial.rating.digit_mass:.1%} of the probability)"
    )
    print(
        f"\n{trial.prompt_tokens:,} prompt tokens read and {trial.generated_tokens:,} "
        f"written in {trial.seconds:.2f} s, "
        "alone; a stream runs many at once"
    )


def _read(text: str) -> str:
    """The argument, or what it names. Raises SettingsError where that is empty or cannot be
    read.
    """
    try:
        if text == "-":
            text = sys.stdin.read()
        elif _is_file(text):
            text = Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{text} cannot be read: {error}") from error
    if not text.strip():
        raise SettingsError("there is no text to try the model on")
    return text.strip()


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a null byte: a text then
        return False


def _show(facts: ModelFacts, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(facts)))
        return
    print(f"id          {facts.id}")
    print(f"directory   {facts.directory}")
    print(
        f"size        {facts.parameters / 1e6:,.1f} M parameters, {facts.bytes / 1e6:,.0f} "
        f"MB on disk, {facts.precision}"
    )
    print(f"graph       {facts.graph}")
    print(f"kind        {facts.architecture}, context window {facts.context_window:,} tokens")
    print(f"prompts     {facts.family}: plays both roles, backward and forward")
