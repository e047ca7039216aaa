"""Asks a release's engine for the evidence about a pair."""

import asyncio
from collections.abc import Sequence

from models.engine import DigitProbabilities, Engine
from models.judging.asking import ask_for
from models.judging.evidence import EvidenceKind
from models.judging.pair_nats import PairNats
from models.judging.shared_scores import SharedScores
from models.prompts.layout import Prompter
from models.prompts.template import Task
from schemas.turns import Turn


class Examiner:
    """Computes the figures of pairs. Belongs to one event loop."""

    def __init__(self, engine: Engine, prompter: Prompter) -> None:
        self._engine = engine
        self._prompter = prompter
        self._alone = SharedScores()

    async def examine(
        self,
        kind: EvidenceKind,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> dict[str, float]:
        """The figures of a kind of evidence, in the order of ``kind.figures``.

        ``headings`` are those above the response, and ``turns`` what was said before: an
        instruction is written from them too, and every likelihood is given the turns. Requests
        that wait in the engine are scheduled by ``priority``, the lowest first. Raises
        PromptTooLong where a part does not fit the context window, ModelError ("unrated") where a
        figure is not a number.
        """
        pair = instruction, response, context, priority
        return await ask_for(
            kind,
            lambda: self._likelihoods(*pair, headings, turns),
            lambda: self.digits(*pair, turns=turns),
        )

    async def digits(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        turns: Sequence[Turn] = (),
    ) -> DigitProbabilities:
        """The probabilities of the digits after the rating prompt. Raises PromptTooLong."""
        prompt = self._prompter.rating(instruction, response, context, turns)
        return await self._engine.rate(prompt, self._prompter.digit_ids, priority)

    async def _likelihoods(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int,
        headings: Sequence[str],
        turns: Sequence[Turn],
    ) -> PairNats:
        prompts, score = self._prompter, self._engine.score
        asked, answered = prompts.target(instruction), prompts.target(response)
        return PairNats(
            *await asyncio.gather(
                score(prompts.forward(instruction, context, turns=turns), answered, priority),
                self._alone.get(
                    (response, context, *turns),
                    lambda: score(
                        prompts.nothing(Task.FORWARD, context, turns), answered, priority
                    ),
                ),
                score(prompts.backward(response, context, headings, turns), asked, priority),
                score(prompts.nothing(Task.BACKWARD, context, turns), asked, priority),
            )
        )
