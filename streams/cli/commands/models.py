"""``backstream models``: export models, look at them, try them."""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.console import notice
from streams.cli.options import Json, with_settings
from streams.quantities import as_count

if TYPE_CHECKING:
    from models.releases.facts import ModelFacts
    from models.serving.trial import Trial
    from streams.settings import Settings

app = typer.Typer(help="Export models, look at them, try them.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(
        help="house, smollm2, writer, a checkpoint or release directory, a GGUF file, or a Hugging "
        "Face id."
    ),
]

_EXAMPLE = (
    "Water boils at 100 degrees Celsius at sea level. On a mountain the air is thinner, so its "
    "pressure is lower and water boils at a lower temperature. At 3,000 metres it is about 90 "
    "degrees, which is why food takes longer to cook there."
)


@app.command()
@with_settings("prompts")
def add(settings: "Settings", model: Name, as_json: Json = False) -> None:
    """Export a model to ONNX, verify it, and keep it.

    A model that is in the cache is only verified.

    Example: `backstream models add Qwen/Qwen2.5-0.5B-Instruct`
    """
    _show(_read_facts(settings, model), as_json)


@app.command()
@with_settings("state_dir", "prompts")
def judge(
    settings: "Settings",
    address: Annotated[
        str, typer.Argument(help="openai:MODEL@http://HOST:PORT/v1.", show_default=False)
    ],
) -> None:
    """Fit a judge to the likelihoods of a model behind an address.

    Needs a server that repeats a prompt with log-probabilities, such as vLLM. Makes about 1,200
    requests, within the budget of the forward role, and keeps the judge in the cache.

    Example: `backstream models judge openai:MODEL@http://127.0.0.1:8000/v1`
    """
    import asyncio

    from models.judging.evidence import EvidenceKind
    from models.judging.quality import JUDGE_FIGURES
    from models.releases.cache import default_cache
    from models.remote.judges import fit_judges
    from models.seeds import read_seeds, split
    from models.seeds.pairs import Pair
    from streams.settings import Role
    from streams.worker.remote_models import RemoteModels

    async def fit() -> dict[str, float]:
        model = RemoteModels(settings, creates_state=True).make(Role.FORWARD, address)
        training, _ = split(read_seeds())
        try:
            judges = await fit_judges(model, [*map(Pair.of, training)], default_cache(), notice)
        finally:
            await model.aclose()
        chosen = judges.of(EvidenceKind.COMBINED)
        return dict(chosen.figures) if chosen else {}

    figures = asyncio.run(fit())
    shown = [
        f"{called} {figures[name]:.2f}" for name, called in JUDGE_FIGURES.items() if name in figures
    ]
    print(f"it rates by a judge from now on, cross-validated: {', '.join(shown)}")


@app.command("list")
def list_models(
    available: Annotated[
        bool,
        typer.Option("--available", help="List the models that can be had by name instead."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List the exported models, oldest first.

    Example: `backstream models list --available`
    """
    if available:
        _list_named(as_json)
        return
    from models.releases.cache import default_cache
    from models.releases.exports import cached
    from models.releases.facts import ModelFacts

    found = [ModelFacts.read(directory) for directory in cached(default_cache())]
    if as_json:
        print(json.dumps([asdict(facts) for facts in found]))
        return
    for facts in found:
        day = time.strftime("%Y-%m-%d", time.localtime(facts.created_at))
        print(
            f"{facts.id:40} {facts.architecture:10} {facts.parameters / 1e6:>9,.1f} M  "
            f"{facts.bytes / 1e6:>9,.0f} MB  {facts.precision}  "
            f"context {facts.context_window:>7,}  {facts.family:8} {day}"
        )
    if not found:
        notice(
            "no model is exported yet: `backstream models add MODEL`, or any command that runs "
            "one, exports it"
        )


def _list_named(as_json: bool) -> None:
    from models.releases.names import NAMED

    if as_json:
        print(
            json.dumps(
                [
                    {
                        "name": model.name,
                        "summary": model.summary,
                        "licence": model.licence,
                        "parameters": model.parameters,
                        "download_bytes": model.download_bytes,
                    }
                    for model in NAMED.values()
                ]
            )
        )
        return
    for model in NAMED.values():
        size = model.download_bytes
        download = f"downloads {size / 1e6:,.0f} MB" if size else "bundled"
        print(
            f"{model.name:10} {model.parameters / 1e6:>7,.1f} M  {download:17}  "
            f"{model.licence:12}  {model.summary}"
        )


@app.command()
@with_settings("prompts")
def show(settings: "Settings", model: Name, as_json: Json = False) -> None:
    """Show a model's size, precision, context window and prompts.

    Example: `backstream models show house`
    """
    _show(_read_facts(settings, model), as_json)


@app.command("try")
@with_settings("prompts", "device")
def try_model(
    settings: "Settings",
    model: Name,
    text: Annotated[
        str,
        typer.Argument(
            help="The passage itself, a file that holds it, or - for standard input.",
            show_default=False,
        ),
    ] = _EXAMPLE,
    as_json: Json = False,
) -> None:
    """Let a model write an instruction and rate the pair.

    Shows the prompts, the answers, the probability of each rating, and the speed.

    Example: `backstream models try house passage.txt`
    """
    import asyncio

    from models.serving import trial
    from streams.cli.prepare import prepare
    from streams.worker.role_models import load_model

    async def run(directory: Path) -> "Trial":
        served = await load_model(settings, directory)
        try:
            return await trial.try_model(served, passage, settings.generation.sampling())
        finally:
            served.close()

    passage = _read_passage(text)
    found = asyncio.run(run(prepare(model, settings.templates())))
    if as_json:
        print(json.dumps({**asdict(found), "rating": found.rating.model_dump()}))
    else:
        _print_trial(found)


def _print_trial(trial: "Trial") -> None:
    from agents.figures import as_score

    rating = trial.rating
    probabilities = "  ".join(
        f"{digit}: {p:.3f}" for digit, p in enumerate(rating.probabilities, start=1)
    )
    cut = "" if trial.complete else " (cut at max_tokens)"
    print(f"BACKWARD PROMPT\n{trial.backward_prompt}\n")
    print(f"INSTRUCTION{cut}\n{trial.instruction}\n")
    print(f"RATING PROMPT\n{trial.rating_prompt}\n")
    print(
        f"RATING\n{as_score(rating.score)}   {probabilities}   (the digits have "
        f"{rating.digit_mass:.1%} of the probability)\n"
    )
    print(
        f"{as_count(trial.prompt_tokens, 'prompt token')} read and {trial.generated_tokens:,} "
        f"written in {trial.seconds:.2f} s, one request at a time; a stream runs many at once"
    )


def _read_passage(text: str) -> str:
    """Return the argument, or the text of the file that it names.

    Raises SettingsError if the text is empty or cannot be read.
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
    except (OSError, ValueError):  # Too long for a file name, or with a null byte.
        return False


def _read_facts(settings: "Settings", model: str) -> "ModelFacts":
    from models.releases.facts import ModelFacts
    from streams.cli.prepare import prepare

    return ModelFacts.read(prepare(model, settings.templates()))


def _show(facts: "ModelFacts", as_json: bool) -> None:
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
    for id in facts.own_prompts:
        print(f"            {id}")
    print(f"ratings     {_ratings(facts)}")


def _ratings(facts: "ModelFacts") -> str:
    from models.judging.quality import JUDGE_FIGURES

    if facts.judge is None:
        return "by digits: it has no judge"
    return "by a judge, cross-validated: " + ", ".join(
        f"{called} {facts.judge[name]:.2f}"
        for name, called in JUDGE_FIGURES.items()
        if name in facts.judge
    )
