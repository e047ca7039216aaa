"""Whether agreement predicts that an answer is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.answers.agreement import largest_cluster, majority
from agents.answers.finding import final_answer
from agents.answers.form import Form
from agents.answers.forms import AnswerForm, form_of
from bench.recorded_model import Written
from schemas.records import Question

_BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))


@dataclass(frozen=True, slots=True)
class Vote:
    """The vote on one question."""

    form: Form
    share: float
    """Of all samples, those that agree; 0 where none has a vote."""
    right: bool | None = None
    """Whether the majority's answer is the known one; None where none is known."""
    samples_right: float = 0.0
    """Share of single samples whose answer is right."""
    unfinished: float = 0.0
    """Share of samples that are unfinished."""


def vote(
    question: Question, written: Sequence[Written], similarity: float, known: str | None
) -> Vote:
    """Vote again, with no limit on the agreement."""
    asked = form_of(question)
    whole = {at: one.text for at, one in enumerate(written) if one.finished and one.text}
    unfinished = sum(not one.finished for one in written) / len(written)
    if asked.form is Form.TEXT:
        found = largest_cluster(whole, similarity) if whole else None
        return Vote(
            asked.form, len(found.members) / len(written) if found else 0.0, None, 0.0, unfinished
        )
    answers = _answers(asked, whole)
    found = majority(whole, answers) if answers else None
    right = None if known is None else found is not None and found.answer == known
    return Vote(
        asked.form,
        len(found.members) / len(written) if found else 0.0,
        right,
        sum(answer == known for answer in answers.values()) / len(written),
        unfinished,
    )


def _answers(asked: AnswerForm, texts: Mapping[int, str]) -> dict[int, str]:
    found = {at: final_answer(text, asked) for at, text in texts.items()}
    return {at: answer for at, answer in found.items() if answer is not None}


def calibration(votes: Sequence[Vote]) -> dict[str, object]:
    """Accuracy by agreement, and the AUC of agreement for being right."""
    judged = [one for one in votes if one.right is not None]
    right = [one.share for one in judged if one.right]
    wrong = [one.share for one in judged if not one.right]
    return {
        "problems": len(judged),
        "majority right": _mean([float(bool(one.right)) for one in judged]),
        "a sample right": _mean([one.samples_right for one in judged]),
        "auc of agreement": _auc(right, wrong),
        "by agreement": [
            {
                "from": low,
                "to": min(high, 1.0),
                "problems": len(found),
                "mean agreement": _mean([one.share for one in found]),
                "right": _mean([float(bool(one.right)) for one in found]),
            }
            for low, high in _BINS
            if (found := [one for one in judged if low <= one.share < high])
        ],
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _auc(above: Sequence[float], below: Sequence[float]) -> float | None:
    """Probability that a right answer has more agreement than a wrong one; a tie counts half."""
    if not above or not below:
        return None
    wins = sum((one > other) + (one == other) / 2 for one in above for other in below)
    return wins / (len(above) * len(below))
