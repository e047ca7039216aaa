"""The settings that every agent whose model samples has."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.sampling import Sampling


class SamplingSettings(BaseModel):
    """How texts are sampled. Each agent has defaults of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(default=0.0, ge=0, le=2)
    """0 is greedy."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    """0: all tokens."""
    repetition_penalty: float = Field(default=1.0, ge=1, le=2)
    max_tokens: int = Field(default=256, ge=1, le=4096)

    def sampling(self) -> Sampling:
        """The sampling of a text, without its seed."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            repetition_penalty=self.repetition_penalty,
            max_tokens=self.max_tokens,
        )


class SeveralSamples(SamplingSettings):
    """How several texts are sampled from one prompt."""

    samples: int = Field(default=1, ge=1, le=64)
    """More than one needs a temperature above 0."""

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                f"samples {self.samples} needs a temperature above 0: at 0 all of them are the same"
            )
        return self
