"""The settings of the pairer: whether it runs, and which samples it pairs."""

from pydantic import BaseModel, ConfigDict, Field


class PreferenceSettings(BaseModel):
    """Whether preference pairs are made, and of which samples."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = False
    """Whether pairs are written to ``preferences``."""
    margin: float = Field(default=0.5, ge=0, le=4)
    """Smallest difference of the two scores."""
