"""Values of a GGUF file's metadata, each of the kind that is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from models.gguf.file import Value
from schemas.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of a file.

    Every method returns ``default`` where the key is missing, and raises ModelError where there is
    no default, or the value is of another kind.
    """

    path: Path
    values: dict[str, Value]

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        return self._of(key, str, "a string", default)

    def integer(self, key: str, default: int | None = None) -> int:
        """An integer of at least 0."""
        value = self._of(key, int, "an integer", default)
        if isinstance(value, bool) or value < 0:
            self._refuse(key, "an integer of at least 0")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value = self._of(key, (int, float), "a number", default)
        if not np.isfinite(value):
            self._refuse(key, "a finite number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return self._of(key, bool, "true or false", default)

    def texts(self, key: str, default: list[str] | None = None) -> list[str]:
        """A list of strings."""
        return self._of(key, list, "a list of strings", default)

    def numbers(self, key: str, length: int) -> npt.NDArray[Any] | None:
        """A list of ``length`` numbers; None where the key is missing."""
        if key not in self.values:
            return None
        value = self._of(key, np.ndarray, "a list of numbers", None)
        if len(value) != length:
            self._refuse(key, f"a list of {length:,} numbers")
        return value

    def uniform(self, key: str, default: int | None = None) -> int:
        """An integer, or a list of equal ones: some files have one for each layer."""
        value = self.values.get(key)
        if not isinstance(value, np.ndarray):
            return self.integer(key, default)
        if not len(value) or value.dtype.kind not in "iu" or (value != value[0]).any():
            self._refuse(key, "the same integer for every layer")
        return int(value[0])

    def _of(
        self, key: str, kind: type[Any] | tuple[type[Any], ...], words: str, default: T | None
    ) -> Any:
        value = self.values.get(key, default)
        if value is None:
            raise ModelError(f"{self.path} has no {key}, which every model of its kind has")
        if not isinstance(value, kind):
            self._refuse(key, words)
        return value

    def _refuse(self, key: str, words: str) -> None:
        raise ModelError(
            f"{self.path}: {key} is {str(self.values.get(key))[:80]}, not {words}: "
            "get the file again, or another one of this model"
        )
