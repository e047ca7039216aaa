"""The scorer agent: rates every candidate 1 to 5 (Mt in arXiv 2308.06259)."""

from models.serving.in_service import InService
from schemas.errors import PromptTooLong
from schemas.records import Candidate, Offset, Rejection, Scored


class Scorer:
    """Candidate → Scored, or a Rejection where it does not fit the model."""

    stage = "scorer"

    def __init__(self, service: InService) -> None:
        self._service = service

    async def handle(
        self, candidate: Candidate, at: Offset | None = None
    ) -> list[Scored | Rejection]:
        """The rated candidate. Raises ModelError where the model cannot rate it: a dead letter,
        never a low score.
        """
        return [await self.rate(candidate)]

    async def rate(self, candidate: Candidate, priority: int = 0) -> Scored | Rejection:
        """The same, with the priority of its request."""
        async with self._service.borrow() as model:
            try:
                rating = await model.rate(
                    candidate.instruction, candidate.response, candidate.context, priority
                )
            except PromptTooLong as error:
                return candidate.refuse(
                    self.stage, "prompt_too_long", str(error), release=model.release
                )
            return Scored(candidate=candidate, rating=rating)
