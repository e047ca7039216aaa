"""How much the engine holds and computes at once."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much is held and computed at once. Raises ValueError where a limit is below 1."""

    requests: int = 1024
    """Requests held, waiting or running; further callers wait."""
    call_tokens: int = 1024
    """Prompt tokens of one call of the model, padding included. A longer prompt runs alone. On a
    CPU more is no faster: scores and activations leave the cache.
    """
    rating_batch: int = 32
    """Ratings in a batch, which is one call."""
    generation_slots: int = 16
    """Generations in a batch. Their prompts may take several calls; they decode together."""
    prefix_slots: int = 32
    """Rows set aside for what later prompts may begin with."""
    chunk_tokens: int = 192
    """Prompt tokens that are read between two steps of the generations that run."""
    generation_tokens: int = 16384
    """Prompt tokens of a batch of generations, padding included: bounds the memory of its cache."""

    def divided(self, replicas: int) -> "EngineLimits":
        """What each of so many replicas has. Fewer rows than these would leave it little to choose
        from.
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
