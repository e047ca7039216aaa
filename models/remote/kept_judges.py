"""The judges of remote models, kept in the cache by the model's release."""

from pathlib import Path

from pydantic import ValidationError

from models.judging.judge import VERSION, Judges
from schemas.errors import ModelError


def judges_file(cache: Path, release: str) -> Path:
    """Where the judges of a release are kept."""
    return cache / "judges" / f"{release}-{VERSION}.json"


def read_judges(cache: Path, release: str) -> Judges | None:
    """The judges that were fitted for a release; None where there are none.

    Raises ModelError where the file cannot be read.
    """
    file = judges_file(cache, release)
    try:
        return Judges.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"{file} cannot be read as the judge of {release}; delete it, and fit the judge again "
            "with `backstream models judge`"
        ) from error
