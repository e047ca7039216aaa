"""The prompts file of a model's or a release's directory, which its prompts are laid out by."""

from pathlib import Path

from models.prompts.templates import BUILT_IN, Templates
from schemas.errors import ModelError, SettingsError

PROMPTS_FILE = "backstream-prompts.yaml"


def templates_of(directory: Path) -> Templates:
    """The templates of a directory: with a user's own where it has a prompts file.

    Raises ModelError where the file cannot be used.
    """
    file = directory / PROMPTS_FILE
    if not file.is_file():
        return BUILT_IN
    # Imported here: most directories have no such file, and Jinja takes a while to import.
    from models.prompts.own.reading import read_own

    try:
        return read_own(file)
    except SettingsError as error:
        raise ModelError(str(error)) from error
