"""The recurator agent: rates candidates again when a release takes service (M1 in arXiv 2308.06259
rates what M0 rated).
"""

from collections.abc import Mapping

from agents.scorer import Scorer
from models.serving.in_service import InService
from schemas.records import Candidate, Offset, Rejection, Scored

_PRIORITY = 1
"""Behind every live record that waits in the same engine."""


class Recurator(Scorer):
    """Candidate → Scored by the release in service, for candidates that an earlier one rated;
    nothing for later ones.

    ``until`` is, for each partition of the candidates, the offset from which on the live scorer
    rates with this release.
    """

    stage = "recurator"

    def __init__(self, service: InService, until: Mapping[int, int]) -> None:
        super().__init__(service)
        self._until = until

    async def handle(
        self, candidate: Candidate, at: Offset | None = None
    ) -> list[Scored | Rejection]:
        """The candidate with its new rating. Raises as the scorer does."""
        if at is not None and at.offset >= self._until.get(at.partition, 0):
            return []
        return [await self.rate(candidate, _PRIORITY)]
