"""Which one of the samples of a passage is kept, and why the others are not."""

from collections.abc import Set

from agents.curation.kept import KeptExamples
from agents.curation.rulings import Rulings
from agents.curation.samples import Samples, best_first
from agents.curation.settings import CuratorSettings
from agents.figures import as_score
from agents.refusal import Refusal
from schemas.records import Alternative, Candidate


class SampleChoice:
    """Chooses among the samples of a passage. It changes nothing that it is made with."""

    def __init__(self, settings: CuratorSettings, kept: KeptExamples, rulings: Rulings) -> None:
        self._settings = settings
        self._kept = kept
        self._rulings = rulings

    def best(
        self,
        samples: Samples,
        refusals: dict[str, Refusal],
        candidate: Candidate,
        kept: Set[str],
        settled: Set[str],
    ) -> Alternative | None:
        """The best-rated sample that passes, or None. ``candidate`` is any one of the passage.

        Those that repeat an example of another passage go from ``samples`` to ``refusals``.
        ``settled`` are kept, and repeat none.
        """
        for sample in best_first(samples.values()):
            if self._settings.refuse_rating(sample.rating):
                continue
            if sample.id in settled:
                return sample
            refusal = self.repeats(with_sample(candidate, sample), {sample.id, *kept})
            if refusal is None:
                return sample
            refusals[sample.id] = refusal
            del samples[sample.id]
        return None

    def repeats(self, candidate: Candidate, besides: Set[str]) -> Refusal | None:
        """Apply the rules that compare with kept examples, but for those in ``besides``."""
        return self._settings.rules.first(self._kept.refusals(candidate, besides))

    def outrated(self, passage: bytes, chosen: Alternative | None) -> Refusal:
        """Why a sample is not the one that is kept of its passage."""
        if accepted := self._rulings.accepted(passage):
            return Refusal("outrated", f"by {min(accepted)}, which a person keeps")
        if chosen is None:
            return Refusal("outrated", "by another sample of its passage")
        return Refusal("outrated", f"by {chosen.id}, rated {as_score(chosen.rating.score)}")


def with_sample(candidate: Candidate, sample: Alternative) -> Candidate:
    """Another sample of the passage of a candidate."""
    return candidate.model_copy(
        update={
            "id": sample.id,
            "instruction": sample.instruction,
            "response": sample.response or candidate.response,
            "provenance": sample.provenance,
        }
    )
