"""Settings of the live page."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, field_validator
from pydantic_settings import NoDecode

from agents.curation.settings import split_at_commas
from schemas.errors import SettingsError
from streams.settings.address import Address
from streams.settings.token import hard_to_guess


class PageSettings(BaseModel):
    """Where the page listens, and whom it admits."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    listen: str = "127.0.0.1:8765"
    """``HOST:PORT``, ``:PORT`` for all interfaces, or ``PORT`` for the loopback interface."""
    token: SecretStr | None = None
    """What a browser must send once. Needed outside of loopback."""
    hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_at_commas)] = ()
    """Further names by which browsers reach the page, such as that of a proxy."""

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
                f"page.listen {self.listen} can be reached from other machines: set page.token, "
                "or listen on 127.0.0.1"
            )
        return address
