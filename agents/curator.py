"""The curator agent: keeps the rated examples that are good and novel enough to train on."""

from collections.abc import Set

from agents.curation.choice import SampleChoice, with_sample
from agents.curation.example_rules import ExampleRules
from agents.curation.kept import UNRATED, KeptExamples, Rank, rank_of
from agents.curation.rulings import Ruled, Rulings
from agents.curation.samples import (
    SampleGroups,
    Samples,
    alternatives,
    has_others,
    passage_of,
    sample_of,
)
from agents.curation.settings import CuratorSettings
from agents.outcomes import Retraction
from agents.refusal import DROPPED, Refusal, by_whom
from schemas.records import (
    Alternative,
    Candidate,
    Decision,
    Example,
    ExampleOrigin,
    Offset,
    Rating,
    Rejection,
    Ruling,
    Scored,
)

_RECENT_RATINGS = 20_000
"""Number of ids whose latest rating is remembered, kept or not.

It bounds how late a rating of an earlier term may arrive and still be recognised as outdated. When
a partition is assigned, this number of ratings is read again.
"""

Outcomes = list[Example | Rejection | Retraction]


class Curator:
    """Scored → Example, or a Rejection; also a Retraction where a kept example is rated down.

    An example is kept if it passes every rule that is on. Of several samples of one passage, the
    best-rated one that passes is kept; a better one that comes later takes its place. What a person
    decided outranks ratings and rules, also those that come later.

    This is the only agent with state. People's decisions are rebuilt through ``restore_ruling``
    from ``decisions``. The kept examples of its partition, seeds included, are rebuilt through
    ``restore`` from the partition of the ``curated`` topic with the same number. The latest ratings
    are rebuilt through ``recall`` from the acknowledged part of ``scored``.

    ``handle`` updates the state before the caller writes the outcome. A caller that fails to write
    it must write the same outcome again, or start over with a new Curator; it must not call
    ``handle`` again. Of several outcomes, the example comes first and retractions last: a new
    Curator that finds only a part of them on ``curated`` makes the rest from the same rating.
    """

    stage = "curator"

    def __init__(
        self,
        settings: CuratorSettings | None = None,
        rules: ExampleRules | None = None,
        *,
        rewriting: bool = False,
    ) -> None:
        """``rules`` are those of the settings, where they were made before.

        ``rewriting`` says that kept examples may get a rewritten sample, which competes with them.
        Raises SettingsError where a file that the settings name cannot be read.
        """
        self._settings = settings = settings or CuratorSettings()
        self._rewriting = rewriting
        self._rules = rules or ExampleRules(settings)
        self._kept = KeptExamples(settings)
        self._samples = SampleGroups()
        self._rulings = Rulings()
        self._choice = SampleChoice(settings, self._kept, self._rulings)
        self._rated: dict[str, Rank] = {}
        """Rank of the latest rating of the last _RECENT_RATINGS ids, oldest first."""

    def __len__(self) -> int:
        """Number of kept examples."""
        return len(self._kept)

    def restore_ruling(self, decision: Decision) -> None:
        """Remember a record of the ``decisions`` topic. It is applied when it is on ``scored``.

        Call it in the order of the topic, before ``restore``. Those about human seeds are the
        decider's.
        """
        if decision.rating is not None:
            passage = passage_of(self._rules.masked(decision.candidate))
            self._rulings.note(decision.id, decision.ruling, decision.rating, passage)

    def restore(self, example_id: str, example: Example | None) -> None:
        """Apply one record of the ``curated`` topic; None is a tombstone.

        Call it in the order of the topic, before ``handle``.
        """
        if example is None:
            self._forget(example_id)
            return
        self._kept.add(example)
        if example.ruling is not None and example.rating is not None:
            self._restore_ruled(example, example.ruling, example.rating)
            return
        passage = self._contested(example) if example.rating else None
        if passage is not None:
            self._samples.keep(passage, example, also=self._samples.kept(passage))

    def recall(self, scored: Scored) -> None:
        """Apply one rating that was acknowledged before.

        Call it in the order of the topic, after ``restore`` and before ``handle``.
        """
        if scored.ruling is not None and self._rulings.known(scored.id) is None:
            passage = passage_of(self._masked(scored).candidate)
            self._rulings.note(scored.id, scored.ruling, scored.rating, passage)
        self._rulings.rate(scored.id, scored.rating)
        if self._rulings.counting(scored.id):
            return
        if rank_of(scored.rating) <= self._rated.get(scored.id, UNRATED):
            return
        self._remember(scored)
        scored = self._masked(scored)
        passage = self._contested(scored.candidate)
        if passage is None or self._samples.kept(passage):
            return
        samples = self._samples.samples(passage)
        samples.pop(scored.id, None)
        waits = self._settings.refuse_rating(scored.rating) or self._rulings.concern(passage)
        if waits and not self._refuse(scored.candidate):
            samples[scored.id] = sample_of(scored)
        self._samples.wait(passage, samples)

    async def handle(self, scored: Scored, at: Offset | None = None) -> Outcomes:
        """Return the example or the rejection that follows from a rating or a person's decision.

        Raises nothing.

        Of several ratings of an example, the one of the latest term counts, in whatever order they
        arrive. A rating of an earlier term, or of the same one again, gives an empty list. A newer
        rating of a kept example gives the example again where it passes, and a rejection and a
        retraction where it fails. A kept example is not compared with itself.

        Where there are other samples of the passage, the kept one may change: the outcomes then
        are the example that is kept now, with the others as its alternatives, a rejection of each
        one that is not kept any more or never was, and retractions.

        Of several decisions about an example, the one that is the latest on ``decisions`` counts. A
        newer rating of an accepted or edited example gives the example again, one of a dropped
        example its rejection.
        """
        if scored.ruling is not None:
            return self._rule(self._masked(scored), scored.ruling)
        if self._rulings.counting(scored.id):
            return self._rate_ruled(self._masked(scored))
        self._rulings.rate(scored.id, scored.rating)
        # Compared by rank, not by score: the score of a replay may differ in the last digits, which
        # depend on the engine's batch.
        if rank_of(scored.rating) <= self._rated.get(scored.id, UNRATED):
            return []
        return self._judge(self._masked(scored))

    def _judge(self, scored: Scored) -> Outcomes:
        passage = self._contested(scored.candidate) if self._settings.rules.outrated else None
        if passage is None:
            return self._judge_alone(scored)
        return self._judge_among_samples(scored, passage)

    def _rule(self, scored: Scored, ruling: Ruling) -> Outcomes:
        """Apply a decision. Applying it again gives the same."""
        id, known = scored.id, self._rulings.known(scored.id)
        if known is not None and ruling.order < known.ruling.order:
            return []
        passage = passage_of(scored.candidate)
        contested = self._contested(scored.candidate) if self._settings.rules.outrated else None
        ruled = self._rulings.note(id, ruling, scored.rating, passage)
        scored = scored.model_copy(update={"rating": ruled.rating})
        if ruling.action == "undo":
            return self._judge_anew(scored)
        self._remember(scored)
        if contested is None:
            return self._outcomes_of(scored.candidate, ruled, {})
        samples, kept = self._samples.samples(contested), self._samples.kept(contested)
        samples.pop(id, None)
        outcomes = self._outcomes_of(scored.candidate, ruled, samples)
        outcomes += self._choose_without(scored, contested, samples, kept - {id})
        return sorted(outcomes, key=_order_of_writing)

    def _rate_ruled(self, scored: Scored) -> Outcomes:
        """Take a newer rating of an example that a person decided about."""
        if not self._rulings.rate(scored.id, scored.rating):
            return []
        self._remember(scored)
        ruled = self._rulings.counting(scored.id)
        assert ruled is not None
        samples = self._samples.samples(ruled.passage) if ruled.passage else {}
        return self._outcomes_of(scored.candidate, ruled, samples)

    def _outcomes_of(self, candidate: Candidate, ruled: Ruled, samples: Samples) -> Outcomes:
        """What a decision that counts makes of its pair. ``samples`` are the passage's others."""
        id, ruling = candidate.id, ruled.ruling
        if ruling.keeps:
            pair = self._rules.masked(candidate.ruled(ruling))
            chosen = sample_of(Scored(candidate=pair, rating=ruled.rating))
            example = self._example(pair, ruled.rating, alternatives(samples, chosen), ruling)
            self._samples.drop(id)
            self._kept.add(example)
            return [example]
        rejection = self._reject(candidate, ruled.rating, Refusal(DROPPED, by_whom(ruling)))
        if id not in self._kept:
            return [rejection]
        self._forget(id)
        return [rejection, Retraction(id)]

    def _judge_anew(self, scored: Scored) -> Outcomes:
        """Judge an example by its rating and the rules, once no decision about it counts."""
        id = scored.id
        if not self._kept.is_ruled(id):
            return self._judge(scored)
        self._forget(id)
        outcomes = self._judge(scored)
        kept = any(one.id == id and isinstance(one, Example) for one in outcomes)
        return outcomes if kept else [*outcomes, Retraction(id)]

    def _choose_without(
        self, scored: Scored, passage: bytes, samples: Samples, kept: Set[str]
    ) -> Outcomes:
        """Choose anew among the samples of a passage that a decision took ``scored`` out of."""
        refusals: dict[str, Refusal] = {}
        accepted, chosen = self._rulings.accepted(passage), None
        if not accepted:
            chosen = self._choice.best(samples, refusals, scored.candidate, kept, kept)
        outcomes: Outcomes = []
        for other in kept - {chosen.id if chosen else ""}:
            self._forget(other)
            rating = samples[other].rating if other in samples else scored.rating
            outrated = self._choice.outrated(passage, chosen)
            refusal = self._settings.refuse_rating(rating) or refusals.get(other, outrated)
            outcomes += [self._reject(scored.candidate, rating, refusal, other), Retraction(other)]
        if chosen is None:
            self._samples.wait(passage, samples)
            return outcomes
        pair = with_sample(scored.candidate, chosen)
        example = self._example(pair, chosen.rating, alternatives(samples, chosen))
        self._kept.add(example)
        if self._samples.keep(passage, example):
            outcomes.append(example)
        return outcomes

    def _restore_ruled(self, example: Example, ruling: Ruling, rating: Rating) -> None:
        """Restore an example that is kept by a decision: it does not compete."""
        known = self._rulings.known(example.id)
        if known is None:  # its decision is not on the topic any more
            passage = passage_of(example)
            self._rulings.note(example.id, ruling, rating, passage)
        else:
            passage = known.passage
            self._rulings.rate(example.id, rating)
        self._samples.drop(example.id)
        if passage is not None:
            others = (one for one in example.alternatives if not self._rulings.counting(one.id))
            whole = (
                one if one.response else one.model_copy(update={"response": example.response})
                for one in others
            )
            self._samples.wait(passage, {one.id: one for one in whole})

    def _contested(self, pair: Candidate | Example) -> bytes | None:
        """The passage whose samples a pair competes with; None where it has no others."""
        passage = passage_of(pair)
        if passage is None or self._rewriting or has_others(pair) or passage in self._samples:
            return passage
        if self._rulings.accepted(passage):
            return passage
        return None

    def _judge_alone(self, scored: Scored) -> Outcomes:
        id = scored.id
        if rank_of(scored.rating) <= self._kept.rank(id):
            return []
        refusal = (
            self._settings.refuse_rating(scored.rating)
            or self._refuse(scored.candidate)
            or self._choice.repeats(scored.candidate, {id})
        )
        self._remember(scored)
        if refusal is None:
            example = self._example(scored.candidate, scored.rating)
            self._kept.add(example)
            return [example]
        rejection = self._reject(scored.candidate, scored.rating, refusal)
        if id not in self._kept:
            return [rejection]
        self._forget(id)
        return [rejection, Retraction(id)]

    def _judge_among_samples(self, scored: Scored, passage: bytes) -> Outcomes:
        """Choose anew among the samples of a passage, one of which has a new rating.

        A rating that stands on ``curated`` but is not remembered comes from a process that ended
        before it had written all that follows: that is made again.
        """
        id, candidate = scored.id, scored.candidate
        samples, kept = self._samples.samples(passage), self._samples.kept(passage)
        if id in self._kept:
            kept |= {id}  # an older version may have kept it without its samples
        rank, known = rank_of(scored.rating), self._kept.rank(id)
        if id in samples:
            known = max(known, rank_of(samples[id].rating))
        if rank < known:
            return []
        again = rank == known
        self._remember(scored)
        if not again or id not in samples:
            samples[id] = sample_of(scored)
        ratings = {one.id: one.rating for one in samples.values()}
        refusals: dict[str, Refusal] = {}
        if refusal := self._refuse(candidate):
            refusals[id] = refusal
            del samples[id]
        accepted = self._rulings.accepted(passage)
        settled = kept if again else kept - {id}
        chosen = (
            None if accepted else self._choice.best(samples, refusals, candidate, kept, settled)
        )
        outcomes: Outcomes = []
        for other in kept - {chosen.id if chosen else ""}:
            self._forget(other)
        if chosen is None:
            self._samples.wait(passage, samples)
        else:
            others = alternatives(samples, chosen)
            example = self._example(with_sample(candidate, chosen), chosen.rating, others)
            self._kept.add(example)
            if self._samples.keep(passage, example):
                outcomes.append(example)
        outrated = self._choice.outrated(passage, chosen)
        # Those whose rejections may be missing on the topic.
        rejected = {id, *kept, *(samples if again and chosen and chosen.id == id else ())}
        for other in sorted(rejected - {chosen.id if chosen else ""}):
            rating = ratings.get(other, scored.rating)
            refusal = self._settings.refuse_rating(rating) or refusals.get(other, outrated)
            outcomes.append(self._reject(candidate, rating, refusal, other))
        outcomes += [Retraction(other) for other in sorted(kept - {chosen.id if chosen else ""})]
        return outcomes

    def _refuse(self, candidate: Candidate) -> Refusal | None:
        """Apply the rules that look at this example alone."""
        return self._settings.rules.first(self._rules.refusals(candidate))

    def _masked(self, scored: Scored) -> Scored:
        return scored.model_copy(update={"candidate": self._rules.masked(scored.candidate)})

    def _example(
        self,
        candidate: Candidate,
        rating: Rating,
        others: tuple[Alternative, ...] = (),
        ruling: Ruling | None = None,
    ) -> Example:
        return Example(
            id=candidate.id,
            instruction=candidate.instruction,
            context=candidate.context,
            response=candidate.response,
            origin=ExampleOrigin.AUGMENTED,
            rating=rating,
            provenance=candidate.provenance,
            turns=candidate.turns,
            category=candidate.category,
            confidence=candidate.confidence,
            alternatives=others,
            ruling=ruling,
            **(self._settings.limit_for(rating) if ruling is None else {}),
        )

    def _reject(
        self, candidate: Candidate, rating: Rating, refusal: Refusal, id: str | None = None
    ) -> Rejection:
        """A rejection of the candidate, or of the sample ``id`` of its passage."""
        rejection = candidate.refuse(
            self.stage, refusal.reason, refusal.detail, release=rating.release, score=rating.score
        )
        return rejection.model_copy(update={"id": id}) if id else rejection

    def _remember(self, scored: Scored) -> None:
        self._rated.pop(scored.id, None)
        self._rated[scored.id] = rank_of(scored.rating)
        if len(self._rated) > _RECENT_RATINGS:
            del self._rated[next(iter(self._rated))]

    def _forget(self, id: str) -> None:
        self._kept.remove(id)
        self._samples.drop(id)


def _order_of_writing(outcome: Example | Rejection | Retraction) -> int:
    return (Example, Rejection, Retraction).index(type(outcome))
