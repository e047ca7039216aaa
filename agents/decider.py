"""The decider agent: brings people's decisions to the curator, in one order with the ratings."""

from agents.outcomes import Retraction
from agents.refusal import DROPPED, by_whom
from schemas.records import (
    Decision,
    Example,
    Offset,
    Rejection,
    Scored,
)


class Decider:
    """Decision → Scored with the ruling; for a human seed, the seed or its Retraction.

    The curator applies what is on ``scored``. It does not judge seeds, so they are decided here.
    """

    stage = "decider"

    async def handle(
        self, decision: Decision | Retraction, at: Offset | None = None
    ) -> list[Scored | Example | Rejection | Retraction]:
        """Return what follows from a decision. Raises nothing.

        A tombstone on ``decisions`` changes nothing: an ``undo`` is a decision.
        """
        if isinstance(decision, Retraction):
            return []
        if at is not None:
            decision = decision.ordered(at.offset)
        if decision.rating is None:
            return _of_seed(decision)
        ruling = decision.ruling
        return [Scored(candidate=decision.candidate, rating=decision.rating, ruling=ruling)]


def _of_seed(decision: Decision) -> list[Scored | Example | Rejection | Retraction]:
    ruling = decision.ruling
    if ruling.action == "drop":
        rejection = decision.candidate.refuse(Decider.stage, DROPPED, by_whom(ruling))
        return [rejection, Retraction(decision.id)]
    kept_by = ruling if ruling.keeps else None
    return [decision.candidate.ruled(kept_by).as_seed(kept_by)]
