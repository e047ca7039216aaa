"""Judges that a model's directory ships, so that an export need not fit any.

``judges.json`` lies beside the weights. It holds judges and what they were fitted for: the digest
of the checkpoint, the precision of the graph and the prompt templates. They are used where all of
these are those of the export. int8 products differ a little between processors, which moves
evidence less than the difference between fp32 and int8 does.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.atomic_file import write_atomically
from models.engine import chosen_precision
from models.judging.judge import VERSION, Judges
from models.judging.rated import RATED_FILE
from models.prompts.layout import Prompter
from models.prompts.template import TRAINED_TASKS
from schemas.errors import ModelError

JUDGES_FILE = "judges.json"


class ShippedJudges(BaseModel):
    """Judges, and what they were fitted for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    checkpoint: str
    """``checkpoint_digest`` of the model."""
    precision: str
    """That the exported graph is served in on a CPU."""
    templates: dict[str, str]
    """Template name and version, by each task of ``TRAINED_TASKS``."""
    judges: Judges

    @classmethod
    def of(cls, judges: Judges, checkpoint: str, exported: Path) -> "ShippedJudges":
        """Judges that were fitted for an exported directory."""
        return cls(
            checkpoint=checkpoint,
            precision=str(chosen_precision(exported)),
            templates=_templates(exported),
            judges=judges,
        )

    def write(self, directory: Path) -> None:
        """Write ``judges.json`` into a model's directory."""
        write_atomically(directory / JUDGES_FILE, self.model_dump_json(indent=1) + "\n")

    def fit(self, checkpoint: str, exported: Path) -> bool:
        """Whether they were fitted for this checkpoint as it was exported, by this version."""
        return (
            self.judges.version == VERSION
            and self.checkpoint == checkpoint
            and self.precision == str(chosen_precision(exported))
            and self.templates == _templates(exported)
        )


def read_shipped_judges(directory: Path) -> ShippedJudges | None:
    """The judges that a model's directory ships; None where it has none.

    Raises ModelError where the file is not one.
    """
    file = directory / JUDGES_FILE
    try:
        return ShippedJudges.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise ModelError(f"{file} does not hold judges: {where}: {first['msg']}") from error


def judging_files(directory: Path) -> tuple[Path, ...]:
    """The files of a model's directory that ratings follow from, where it has them."""
    names = (JUDGES_FILE, RATED_FILE)
    return tuple(directory / name for name in names if (directory / name).is_file())


def _templates(directory: Path) -> dict[str, str]:
    prompter = Prompter.load(directory)
    return {task.value: prompter.template(task).id for task in TRAINED_TASKS}
