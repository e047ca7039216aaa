"""What ratings are made from, and which of them are kept."""

import math
from dataclasses import dataclass

from models.judging.evidence import EvidenceKind
from models.judging.judge import Judge, Judges


@dataclass(frozen=True, slots=True)
class Criterion:
    """The evidence of the scorer, and the rule by which the curator keeps a rating."""

    evidence: EvidenceKind = EvidenceKind.COMBINED
    """What a release with judges rates by; one without rates by digits."""
    threshold: float = 4.0
    """Lowest rating that is kept."""
    target_precision: float | None = None
    """Lowest estimated precision that is kept, in place of the threshold. Needs a judge."""

    def judge_of(self, judges: Judges | None) -> Judge | None:
        """The judge that rates; None where the digits do."""
        return judges.of(self.evidence) if judges else None

    def threshold_of(self, judges: Judges | None) -> float:
        """The lowest rating of a release that is kept; infinite where none is precise enough."""
        judge = self.judge_of(judges)
        if judge is None or self.target_precision is None:
            return self.threshold
        point = judge.threshold_for(self.target_precision)
        return math.inf if point is None else point.threshold
