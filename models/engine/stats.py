"""What an engine has done."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Totals since the model was loaded."""

    requests: int = 0
    """Requests answered."""
    prompt_tokens: int = 0
    """Tokens of their prompts."""
    generated_tokens: int = 0
    """Tokens of their generations."""
    busy_seconds: float = 0.0
    """Time spent computing, summed over all replicas."""
    calls: int = 0
    """Calls of the model."""
    prefill_tokens: int = 0
    """Prompt tokens that went through the model."""
    reused_tokens: int = 0
    """Prompt tokens whose keys and values came from another request's KV slot."""
