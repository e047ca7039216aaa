"""The recurator agent: rates old candidates again when a release is deployed.

In arXiv 2308.06259, M1 likewise rates the candidates that M0 rated.
"""

from collections.abc import Mapping

from agents.scorer import Scorer
from models.serving.model_handle import ModelHandle
from schemas.records import Candidate, Offset, Rejection, Scored

_PRIORITY = 1
"""Requests of live records in the same engine, which have priority 0, run first."""


class Recurator(Scorer):
    """Candidate → Scored, for candidates that an earlier release rated; nothing for later ones."""

    stage = "recurator"

    def __init__(self, handle: ModelHandle, until: Mapping[int, int]) -> None:
        """``until``: for each partition, the first offset that the live scorer rates itself."""
        super().__init__(handle)
        self._until = until

    async def handle(
        self, candidate: Candidate, at: Offset | None = None
    ) -> list[Scored | Rejection]:
        """Rate the candidate again. Raises what ``Scorer.handle`` raises."""
        if at is not None and at.offset >= self._until.get(at.partition, 0):
            return []
        return [await self.rate(candidate, _PRIORITY)]
