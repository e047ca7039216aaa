"""A model that is served elsewhere, in a role."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from models.engine import Choice
from models.judging.evidence import EvidenceKind
from models.judging.judge import Judges
from models.judging.rater import Rater
from models.prompts.messages import MessagePrompter, Messages
from models.prompts.prompt import Prompt
from models.prompts.template import Task
from models.prompts.templates import BUILT_IN, Templates
from models.remote.answers import choice_among, written_text
from models.remote.chat import Chat
from models.remote.client import RemoteClient
from models.remote.examiner import RemoteExaminer
from models.sampling import Sampling
from models.serving.written import WrittenInstruction, WrittenText
from schemas.errors import ModelError, RemoteUnavailable
from schemas.ids import example_id, sampling_seed
from schemas.records import Rating, Turn

_CHOICE_TOKENS = 8
"""Tokens of a completion in which an option may begin."""
_SEEDS = 2**31
"""Servers take seeds of 32 bits, some with a sign."""


class RemoteModel:
    """Writes instructions and rates pairs with a server. Makes no request before the first use.

    The server samples: the seed of an example is sent, but a server need not give the same text
    again. First words (``openings`` and ``lead``) cannot be chosen.
    """

    def __init__(
        self,
        client: RemoteClient,
        *,
        system: str = "",
        templates: Templates = BUILT_IN,
        judges: Judges | None = None,
        evidence: EvidenceKind = EvidenceKind.COMBINED,
    ) -> None:
        """The model owns the client. ``system`` is the system turn of templates without one.

        ``judges`` turn ``evidence`` into ratings; without them the digits rate.
        """
        self.release = client.address.release(templates)
        self.device = "remote"
        self.generation_slots = client.in_flight
        self._client = client
        self._prompter = MessagePrompter(templates, system)
        self._chat = Chat(client)
        self.examiner = RemoteExaminer(self._chat, self._prompter)
        self._evidence = evidence
        self.rater = Rater(self.examiner, evidence, judges)
        """What rates."""

    @property
    def placement(self) -> str:
        """The model and its address."""
        return str(self._client.address)

    async def write_instruction(
        self,
        parent_id: str,
        response: str,
        context: str | None,
        sampling: Sampling,
        sample: int = 0,
        *,
        headings: Sequence[str] = (),
        openings: Mapping[str, float] | None = None,
        turns: Sequence[Turn] = (),
        lead: str = "",
    ) -> WrittenInstruction:
        """Write the instruction that ``response`` answers, after ``turns``.

        Of ``sampling``, temperature, top-p and the number of tokens are sent; the rest is not part
        of the protocol. Raises PromptTooLong, RemoteUnavailable and RemoteError.
        """
        template = self.template_id(Task.BACKWARD)
        id = example_id(parent_id, self.release, template, sample)
        messages = self._prompter.backward(response, context, headings, turns)
        written = await self._complete(messages, replace(sampling, seed=sampling_seed(id)))
        return WrittenInstruction(
            id, written.text, context, written.finished, self.release, template
        )

    def template_id(self, task: Task) -> str:
        """Name and version of a task's template."""
        return self._prompter.template_id(task)

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        """Continue a prompt. Raises PromptTooLong, RemoteUnavailable and RemoteError."""
        written = await self._complete(self._prompter.of(prompt), sampling)
        if one_line:
            line, end, _ = written.text.partition("\n")
            return WrittenText(line.strip(), written.finished or bool(end))
        return written

    async def choose(self, prompt: Prompt, options: Sequence[str]) -> Choice:
        """The probabilities of options in the answer to a prompt.

        Raises PromptTooLong, RemoteUnavailable, RemoteError, and ModelError where the model begins
        none of them.
        """
        found: Choice | None = await self._chat.complete(
            self._prompter.of(prompt),
            _CHOICE_TOKENS,
            {
                "temperature": 0,
                "logprobs": True,
                "top_logprobs": await self.examiner.alternatives(),
            },
            lambda answer: choice_among(answer, options),
        )
        if found is None:
            raise ModelError(f"{self.placement} chose none of {', '.join(options)}")
        return found

    async def likelihood(self, prompt: Prompt, text: str) -> float | None:
        """The mean log-probability of a token of ``text`` as the answer to a prompt, in nats.

        None where the server gives no likelihoods. Raises PromptTooLong and RemoteUnavailable.
        """
        found = await self.examiner.likelihoods.of_answer(prompt, text)
        return -fmean(found) if found else None

    async def _complete(self, messages: Messages, sampling: Sampling) -> WrittenText:
        options: dict[str, float] = {"temperature": sampling.temperature}
        if sampling.temperature > 0:
            options |= {"top_p": sampling.top_p, "seed": sampling.seed % _SEEDS}
        written: WrittenText = await self._chat.complete(
            messages, sampling.max_tokens, options, written_text
        )
        return written

    async def rate(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> Rating:
        """Rate how well ``response`` answers ``instruction`` after ``turns``, 1 to 5.

        ``priority`` has no effect. Raises PromptTooLong, RemoteUnavailable, RemoteError, and
        ModelError ("unrated") if the pair cannot be rated.
        """
        found = await self.rater.rate(
            instruction, response, context, headings=headings, turns=turns
        )
        return Rating(
            score=found.score,
            probabilities=found.probabilities,
            digit_mass=found.digit_mass,
            evidence=found.evidence,
            precision=found.precision,
            release=self.release,
            template=self.template_id(Task.RATING),
        )

    async def probe(self) -> None:
        """Ask for a token. Raises RemoteUnavailable or RemoteError where none comes."""
        messages = [{"role": "user", "content": "Say yes."}]
        await self._chat.complete(messages, 1, {"temperature": 0}, written_text)

    async def rates_by(self) -> str:
        """What its ratings are made from, and why where that is not what was asked for.

        Asks the server. Raises RemoteUnavailable where it lacks what the ratings need.
        """
        if self.rater.kind is not EvidenceKind.LIKELIHOOD:
            await self.examiner.alternatives()
        if self.rater.kind == self._evidence == EvidenceKind.DIGITS:
            return str(self.rater.kind)
        given = await self.examiner.likelihoods.are_given()
        if self.rater.judge is not None:
            if not given:
                raise RemoteUnavailable(
                    f"{self.placement} gives no likelihoods of a prompt any more, which its judge "
                    "needs: set scorer.evidence to digits, or another model for --forward"
                )
            return str(self.rater.kind)
        if given:
            return "digits: it has no judge; `backstream models judge` fits one to its likelihoods"
        return "digits: its server gives no likelihoods of a prompt"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
