"""The scorer agent: rates every candidate 1 to 5 (Mt in arXiv 2308.06259)."""

from models.serving import ServedModel
from schemas.errors import PromptTooLong
from schemas.records import Candidate, Offset, Rejection, Scored


class Scorer:
    """Candidate → Scored, or a Rejection where it does not fit the model."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    async def handle(self, candidate: Candidate, at: Offset | None = None) -> list[Scored | Rejection]:
        """The rated candidate. Raises ModelError where the model cannot rate it: a dead letter, never a low score."""
        try:
            rating = await self._model.rate(candidate.instruction, candidate.response, candidate.context)
        except PromptTooLong as error:
            return [candidate.refuse("scorer", "prompt_too_long", str(error), release=self._model.release)]
        return [Scored(candidate=candidate, rating=rating)]
