"""Settings of models that are served elsewhere."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PriceSettings(BaseModel):
    """What a million tokens of a role cost, in any currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    prompt: float = Field(default=0.0, ge=0)
    """Tokens that are read."""
    completion: float = Field(default=0.0, ge=0)
    """Tokens that are written."""


class RolePrices(BaseModel):
    """The prices of each role's server."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backward: PriceSettings = PriceSettings()
    forward: PriceSettings = PriceSettings()


class RemoteSettings(BaseModel):
    """How models behind addresses are used, and how much."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    in_flight: int = Field(default=16, ge=1, le=10_000)
    """Most requests of a role at a time, in each worker."""
    timeout_seconds: float = Field(default=300.0, gt=0)
    """Longest duration of a request."""
    retries: int = Field(default=4, ge=0, le=20)
    """Repetitions of a request that failed, before the stage says so and waits."""
    budget_tokens: int | None = Field(default=None, ge=0)
    """Most tokens that both roles may use, since the state directory began. None: no limit."""
    budget_cost: float | None = Field(default=None, ge=0)
    """Most that both roles may cost, since the state directory began. None: no limit."""
    prices: RolePrices = RolePrices()

    @model_validator(mode="after")
    def _cost_can_be_told(self) -> "RemoteSettings":
        if self.budget_cost is not None and self.prices == RolePrices():
            raise ValueError(
                "budget_cost has no effect without prices: set remote.prices.backward.prompt and "
                "the like, for a million tokens"
            )
        return self
