"""Settings of the ways in that run for as long as the stream does."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from agents.curation.settings import split_at_commas
from schemas.errors import SettingsError
from streams.settings.address import Address
from streams.settings.token import hard_to_guess


class WatchSettings(BaseModel):
    """How sources are watched."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sources: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], NoDecode, BeforeValidator(split_at_commas)
    ] = ()
    """Directories, addresses of stores, and feeds. Those on the command line replace them."""
    seconds: float = Field(default=2.0, gt=0)
    """Seconds between two looks at a directory."""
    store_seconds: float = Field(default=60.0, gt=0)
    """Seconds between two looks at a store."""
    feed_seconds: float = Field(default=900.0, gt=0)
    """Seconds between two requests for a feed, if it does not ask for more."""
    settle_seconds: float = Field(default=2.0, ge=0)
    """A file is read when it has not changed for this long."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of /metrics, /live and /ready. 0: a free port. None: no endpoint."""


class IntakeSettings(BaseModel):
    """What the HTTP intake accepts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    listen: str = "127.0.0.1:8080"
    """``HOST:PORT``, ``:PORT`` for all interfaces, or ``PORT`` for the loopback interface."""
    token: SecretStr | None = None
    """What clients send as ``Authorization: Bearer TOKEN``. Needed outside of loopback."""
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    """Largest body, as it comes and decompressed."""
    max_documents: int = Field(default=10_000, ge=1)
    """Most documents of a batch."""
    max_lag: int | None = Field(default=10_000, ge=1)
    """Documents that may wait for the segmenter before more are refused. None: any number."""
    in_flight: int = Field(default=32, ge=1)
    """Most requests that are read or written at a time."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """How long a body may take to come, and the broker to acknowledge it."""

    @field_validator("listen", mode="before")
    @classmethod
    def _is_an_address(cls, listen: Any) -> str:
        return str(Address.parse(str(listen)))

    @field_validator("token")
    @classmethod
    def _is_hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        return hard_to_guess(token)

    @property
    def address(self) -> Address:
        """Where it listens. Raises SettingsError where a token is needed and not set."""
        address = Address.parse(self.listen)
        if self.token is None and not address.is_loopback:
            raise SettingsError(
                f"intake.listen {self.listen} can be reached from other machines: set "
                "intake.token, or listen on 127.0.0.1"
            )
        return address
