"""The settings of the inventor."""

from pydantic import Field

from agents.sampling import SamplingSettings

MOST_INSTANCES = 5
"""Most instances of an instruction, as in Self-Instruct (arXiv 2212.10560, section 2.2)."""


class InventionSettings(SamplingSettings):
    """How instructions are invented, and examples of them made.

    Instructions and inputs are sampled; labels and answers are greedy. Temperature and top-p are
    the paper's. In place of its presence penalty stands the engine's repetition penalty.
    """

    temperature: float = Field(default=0.7, ge=0, le=2)
    top_p: float = Field(default=0.5, gt=0, le=1)
    repetition_penalty: float = Field(default=1.3, ge=1, le=2)
    instances: int = Field(default=MOST_INSTANCES, ge=1, le=MOST_INSTANCES)
    """Most examples of an instruction whose task needs an input, or is a classification."""
    max_tokens: int = Field(default=256, ge=1, le=4096)
    """Most tokens of an answer. A longer one is refused."""
    line_tokens: int = Field(default=96, ge=1, le=4096)
    """Most tokens of an instruction, of an input, and of the list of labels."""
