"""A request that is being computed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.engine.model_runner import Decode, Prefill
from models.engine.requests import AnyRequest, Generation, GenerationRequest
from models.engine.sampling import Sampler, Sampling

Tokens = NDArray[np.int32]


@dataclass(eq=False, slots=True)
class RunningSequence:
    """A request that has a KV slot."""

    request: AnyRequest
    tokens: list[int]
    """Those of the prompt, then the generated ones."""
    sampler: Sampler
    """Used by a generation only."""
    slot: int = -1
    """Number of its KV slot. Only ``KVSlots`` changes it."""
    length: int = 0
    """How many of ``tokens`` have keys and values in the slot."""
    reused: int = 0
    """How many of ``length`` were copied or taken over from another request."""

    @classmethod
    def of(cls, request: AnyRequest) -> "RunningSequence":
        """A sequence for a request that has not been computed yet."""
        sampling = request.sampling if isinstance(request, GenerationRequest) else Sampling()
        return cls(request, list(request.prompt), Sampler(sampling))

    @property
    def cached(self) -> Tokens:
        """[length]: the tokens whose keys and values are in the slot."""
        return np.array(self.tokens[: self.length], np.int32)

    @property
    def decodes(self) -> bool:
        """Whether tokens are generated after the prefill."""
        return isinstance(self.request, GenerationRequest)

    def next_chunk(self, most: int) -> Prefill:
        """The next part of the prompt to prefill, of at most ``most`` tokens."""
        end = min(self.request.length, self.length + most)
        tokens = self.tokens[self.length : end]
        return Prefill(self.slot, tokens, self.length, ends=end == self.request.length)

    def next_decode(self) -> Decode:
        """The last token, to compute the one after it."""
        return Decode(self.tokens[-1], self.length, self.sampler)

    def append(self, token: int) -> Generation | None:
        """Add a token to a generation. Returns the generation, if the token completes it."""
        request = self.request
        assert isinstance(request, GenerationRequest), "a rating generates no tokens"
        stopped = token in request.stop_ids
        if not stopped:
            self.tokens.append(token)
        generated = len(self.tokens) - request.length
        if not stopped and generated < request.sampling.max_tokens:
            return None
        return Generation(tuple(self.tokens[request.length :]), token if stopped else None)
