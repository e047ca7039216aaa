"""A request that is being computed."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.engine.model_runner import Decode, Prefill
from models.engine.requests import AnyRequest, Generation, GenerationRequest, ScoreRequest
from models.engine.sampling import Sampler
from models.sampling import Sampling

Tokens = NDArray[np.int32]


@dataclass(eq=False, slots=True)
class RunningSequence:
    """A request that has a KV slot."""

    request: AnyRequest
    tokens: list[int]
    """Those to prefill, then the generated ones."""
    sampler: Sampler
    """Used by a generation only."""
    slot: int = -1
    """Number of its KV slot. Only ``KVSlots`` changes it."""
    length: int = 0
    """How many of ``tokens`` have keys and values in the slot."""
    reused: int = 0
    """How many of ``length`` were copied or taken over from another request."""
    nats: list[float] = field(default_factory=list)
    """Of the target's tokens that were scored so far."""

    @classmethod
    def of(cls, request: AnyRequest) -> "RunningSequence":
        """A sequence for a request that has not been computed yet."""
        sampling = request.sampling if isinstance(request, GenerationRequest) else Sampling()
        return cls(request, list(request.prefilled), Sampler(sampling))

    @property
    def cached(self) -> Tokens:
        """[length]: the tokens whose keys and values are in the slot."""
        return np.array(self.tokens[: self.length], np.int32)

    @property
    def reusable(self) -> Tokens:
        """The part of ``cached`` that a later prompt may begin with: not a target."""
        scores = isinstance(self.request, ScoreRequest)
        return self.cached[: len(self.request.prompt)] if scores else self.cached

    @property
    def decodes(self) -> bool:
        """Whether tokens are generated after the prefill."""
        return isinstance(self.request, GenerationRequest)

    def next_chunk(self, most: int) -> Prefill:
        """The next part to prefill, of at most ``most`` tokens."""
        request = self.request
        end = min(request.length, self.length + most)
        tokens = self.tokens[self.length : end]
        targets: tuple[int, ...] = ()
        if isinstance(request, ScoreRequest):
            targets = request.target[len(self.nats) : max(0, end + 1 - len(request.prompt))]
        return Prefill(self.slot, tokens, self.length, end == request.length, targets)

    def next_decode(self) -> Decode:
        """The last token, to compute the one after it."""
        return Decode(self.tokens[-1], self.length, self.sampler)

    def append(self, token: int) -> Generation | None:
        """Add a token to a generation. Returns the generation, if the token completes it."""
        request = self.request
        assert isinstance(request, GenerationRequest), "only a generation has new tokens"
        stopped = token in request.stop_ids
        if not stopped:
            self.tokens.append(token)
        generated = len(self.tokens) - request.length
        if not stopped and generated < request.sampling.max_tokens:
            return None
        return Generation(tuple(self.tokens[request.length :]), token if stopped else None)
