"""How much an engine holds and computes at once."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much an engine holds and computes at once. Raises ValueError where a limit is below 1."""

    requests: int = 1024
    """Requests held, waiting or running. Further callers wait."""
    call_tokens: int = 1024
    """Prompt tokens of one call of a static batch, padding included. A longer prompt runs alone.

    On a CPU more is no faster: scores and activations leave the cache.
    """
    rating_batch: int = 32
    """Ratings in a static batch, which is one call."""
    generation_slots: int = 16
    """Generations that decode together: KV slots, or rows of a static batch."""
    prefix_slots: int = 32
    """KV slots of the prefix cache."""
    chunk_tokens: int = 192
    """Prompt tokens that are prefilled between two decodes of the generations that run."""
    generation_tokens: int = 16384
    """Prompt tokens of a static batch of generations, padding included. Bounds its memory."""

    @classmethod
    def on(cls, device: str) -> "EngineLimits":
        """The defaults for ``cpu`` or ``cuda``.

        On a GPU 64 slots decode in 1.5 times the time of one, and prompts in chunks of 192 tokens
        take several times as long as in large ones: ``docs/results/gpu.md``.
        """
        return cls() if device == "cpu" else cls(generation_slots=64, chunk_tokens=1024)

    def divided(self, replicas: int) -> "EngineLimits":
        """The limits of each of several replicas.

        At least 4 slots of each kind remain, so that the scheduler has a choice.
        """
        return replace(
            self,
            requests=-(-self.requests // replicas),
            generation_slots=max(min(4, self.generation_slots), self.generation_slots // replicas),
            prefix_slots=max(min(4, self.prefix_slots), self.prefix_slots // replicas),
        )

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(
                    f"{field.name} is {getattr(self, field.name)!r}: it must be 1 or more"
                )
