"""What an agent of another package is: a generator or a filter, as ``docs/extending.md`` tells.

A generator makes examples beside the project's own, or in place of one of them. A filter refuses
records before they cost anything. Neither writes a record itself: ids, provenance and the account
of what was made of each record are the stream's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from agents.refusal import Refusal
from models.serving.model_handle import ModelHandle
from schemas.record import Record
from schemas.records import Bootstrap, Question, Segment

READABLE: tuple[type[Record], ...] = (Segment, Bootstrap, Question)
"""What generators and filters may read."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An example that a generator proposes. It is rated and curated as any other."""

    instruction: str
    response: str
    context: str | None = None
    release: str = ""
    """Id of the release that wrote it; empty where no model did."""
    template: str = ""
    """Name and version of the prompt; empty where there was none."""


class Generates(Protocol):
    """Makes examples of records."""

    async def generate(self, record: Any) -> Sequence[Draft | Refusal]:
        """What follows from a record. The same record must give the same.

        Nothing counts as refused. An error is tried again, and then a dead letter; one that is no
        fault of the record is a StateUnavailable or a RemoteUnavailable, and is waited for.
        """


class Checks(Protocol):
    """Refuses records."""

    def check(self, record: Any) -> Refusal | None:
        """Why a record is refused; None where it is not. Runs in a thread. Errors as above."""


class NoSettings(BaseModel):
    """Settings of an agent that has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Generator:
    """An agent that makes examples: the object of an entry point of ``backstream.agents``."""

    reads: type[Record]
    """Segment, Question or Bootstrap."""
    make: Callable[[Any, ModelHandle | None], Generates]
    """Gets the settings, and the handle of the role's model if there is a role."""
    settings: type[BaseModel] = NoSettings
    """Of its section, ``agents.NAME``."""
    role: Literal["backward", "forward"] | None = None
    """The role of the model that it uses."""
    replaces: str | None = None
    """A stage of the project that does not run then, such as ``backward``. None: it runs too."""


@dataclass(frozen=True, slots=True)
class Filter:
    """An agent that refuses records before the stages that read them, as ``Generator``."""

    reads: type[Record]
    """Segment, Question or Bootstrap."""
    make: Callable[[Any], Checks]
    """Gets the settings."""
    settings: type[BaseModel] = NoSettings
