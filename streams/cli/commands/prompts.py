"""``backstream prompts``: look at prompts, and check a file of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import SettingsError

app = typer.Typer(help="Look at prompts, and check a file of your own.", no_args_is_help=True)


@app.command()
def lint(
    file: Annotated[Path, typer.Argument(help="A YAML file of prompts.", show_default=False)],
) -> None:
    """Check a prompts file, and name each mistake with its line.

    Prints the ids of its templates. The exit code is 1 if it cannot be used.

    Example: `backstream prompts lint prompts.yaml`
    """
    from models.prompts.own.reading import read_own

    for template in read_own(file).own:
        print(template.id)


@app.command()
def show(
    file: Annotated[
        Path | None,
        typer.Argument(help="A YAML file of prompts. [default: none]", show_default=False),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Show this task alone.")] = None,
    family: Annotated[
        str | None, typer.Option(help="Show this family alone: markers, chat or plain.")
    ] = None,
) -> None:
    """Print the prompts of every task, as a file to start from.

    With FILE, those of the file stand in place of the project's.

    Example: `backstream prompts show --task rating --family chat > prompts.yaml`
    """
    from models.prompts.own.reading import read_own
    from models.prompts.own.writing import as_yaml
    from models.prompts.template import Family, Task
    from models.prompts.templates import BUILT_IN

    templates = BUILT_IN if file is None else read_own(file)
    tasks = [each for each in Task if task in (None, each)]
    families = [each for each in Family if family in (None, each)]
    if not tasks or not families:
        raise SettingsError(
            f"there are no such prompts: tasks are {', '.join(Task)}; families are "
            f"{', '.join(Family)}"
        )
    chosen = [templates.of(each, kind) for each in tasks for kind in families]
    print(as_yaml(chosen, "own"), end="")
