"""A person's ratings, which also decide whether a pair is kept."""

import time
from enum import StrEnum

from schemas.records import HumanRating
from streams.data.decisions import Decisions, Pair, candidate_of
from streams.data.ratings import Ratings
from streams.data.review import DROP, KEEP, Answer

KEPT = "kept"
"""What an answer did that accepts a pair, as JSON names it."""


class Undone(StrEnum):
    """What an undo took back."""

    RATING = "rating"
    """The rating, and the decision that followed from it."""
    DECISION = "decision"
    NOTHING = "nothing"


class Judging:
    """Writes what a person thinks of pairs. Each method waits for the broker: BrokerError.

    A rating below the threshold drops the pair, any other accepts it. The decision is written
    first: where the process ends between the two, the pair is decided and has no rating.
    """

    def __init__(self, ratings: Ratings, decisions: Decisions, threshold: float) -> None:
        self._ratings = ratings
        self._decisions = decisions
        self.threshold = threshold

    def rate(self, pair: Pair, score: int, by: str) -> None:
        """Write a rating from 1 to 5, and the decision that follows from it."""
        write = self._decisions.drop if score < self.threshold else self._decisions.accept
        write(pair, by, _note_of(score))
        self._rate(pair, score, by)

    def answer(self, pair: Pair, answer: Answer, by: str) -> list[str]:
        """Write what somebody answered in another tool, and return what that was.

        To drop decides, or else an edit, or else to keep, or else the rating. The rating is of the
        texts that were shown.
        """
        done: list[str] = []
        if answer.decision == DROP:
            self._decisions.drop(pair, by)
            done.append("dropped")
        elif answer.edits:
            self._decisions.edit(pair, by, **answer.edits)
            done.append("edited")
        elif answer.decision == KEEP:
            self._decisions.accept(pair, by)
            done.append(KEPT)
        if answer.rating is not None:
            (self._rate if done else self.rate)(pair, answer.rating, by)
            done.append("rated")
        return done

    def take_back(self, id: str, by: str) -> bool:
        """Retract the rating of a pair, and undo its decision. False where it has neither."""
        undone = self._decisions.undo(id, by) is not None
        return self._ratings.take_back(id) or undone

    def undo(self, id: str, by: str) -> Undone:
        """Undo the decision about a pair, and retract the rating that it followed from.

        Without a decision, the rating is retracted. The topics say what there is.
        """
        rating, decision = self._ratings.of(id), self._decisions.of(id)
        undone = self._decisions.undo(id, by) is not None
        if rating is not None and (
            decision is None or decision.ruling.note == _note_of(rating.score)
        ):
            self._ratings.retract(id)
            return Undone.RATING
        return Undone.DECISION if undone else Undone.NOTHING

    def _rate(self, pair: Pair, score: int, by: str) -> None:
        candidate = candidate_of(pair)
        rating = HumanRating(
            id=pair.id,
            instruction=candidate.instruction,
            context=candidate.context,
            response=candidate.response,
            headings=candidate.provenance.headings,
            turns=candidate.turns,
            score=score,
            rater=by,
            at=time.time(),
        )
        self._ratings.write(rating)


def _note_of(score: int) -> str:
    """The note of a decision that follows from a rating."""
    return f"rated {score}"
