"""The settings of the rewriter."""

from pydantic import Field

from agents.sampling import SamplingSettings


class RewritingSettings(SamplingSettings):
    """Whether responses are rewritten, how they are sampled, and what is taken as faithful."""

    enabled: bool = False
    """Whether the responses of curated examples are rewritten."""
    repetition_penalty: float = Field(default=1.05, ge=1, le=2)
    max_tokens: int = Field(default=512, ge=1, le=4096)
    """Most tokens of a rewritten response. One that reaches them is refused."""
    coverage: float = Field(default=0.7, ge=0, le=1)
    """Smallest share of a rewritten response's content words that must be in the passage or in the
    instruction.
    """
    gain: float = Field(default=0.1, allow_inf_nan=False)
    """Fewest nats a token that the passage must save on the rewritten response."""
