"""The scorer agent: rates each candidate from 1 to 5 (Mt in arXiv 2308.06259)."""

from models.serving.model_handle import ModelHandle
from schemas.errors import PromptTooLong
from schemas.records import Candidate, Offset, Rejection, Scored


class Scorer:
    """Candidate → Scored, or a Rejection where it does not fit the model's context."""

    stage = "scorer"

    def __init__(self, handle: ModelHandle) -> None:
        self._handle = handle

    async def handle(
        self, candidate: Candidate, at: Offset | None = None
    ) -> list[Scored | Rejection]:
        """Rate a candidate.

        Raises ModelError where the model cannot rate it. The candidate then becomes a dead letter
        and gets no score.
        """
        return [await self.rate(candidate)]

    async def probe(self) -> None:
        """See whether the model works, without a record. Raises EngineError where it does not."""
        await self._handle.probe()

    async def rate(self, candidate: Candidate, priority: int = 0) -> Scored | Rejection:
        """Rate a candidate with an engine request of this priority; lower ones run first."""
        async with self._handle.borrow() as model:
            try:
                rating = await model.rate(
                    candidate.instruction,
                    candidate.response,
                    candidate.context,
                    priority,
                    headings=candidate.provenance.headings,
                    turns=candidate.turns,
                )
            except PromptTooLong as error:
                return candidate.refuse(
                    self.stage, "prompt_too_long", str(error), release=model.release
                )
            return Scored(candidate=candidate, rating=rating)
