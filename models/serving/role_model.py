"""What plays a role: what agents, the worker and ``check`` need of a model, wherever it runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from models.prompts.prompt import Prompt
from models.prompts.template import Task
from models.serving.written import WrittenInstruction, WrittenText
from schemas.records import Rating, Turn

if TYPE_CHECKING:  # the engine takes long to import, and only its types are named here
    from models.engine import Choice
    from models.sampling import Sampling


class RoleModel(Protocol):
    """A model that writes instructions and rates pairs."""

    @property
    def release(self) -> str:
        """Id of its release."""

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda``, or ``remote``."""

    @property
    def placement(self) -> str:
        """Its release and where it computes, in words."""

    @property
    def generation_slots(self) -> int:
        """Texts that it writes side by side. Further ones wait."""

    async def write_instruction(
        self,
        parent_id: str,
        response: str,
        context: str | None,
        sampling: "Sampling",
        sample: int = 0,
        *,
        headings: Sequence[str] = (),
        openings: Mapping[str, float] | None = None,
        turns: Sequence[Turn] = (),
        lead: str = "",
    ) -> WrittenInstruction:
        """Write the instruction that ``response`` answers, after ``turns``.

        It begins with ``lead``, where the model can be made to. Raises PromptTooLong.
        """

    def template_id(self, task: Task) -> str:
        """Name and version of a task's template, for provenance."""

    async def write(
        self, prompt: Prompt, sampling: "Sampling", *, one_line: bool = False
    ) -> WrittenText:
        """Continue a prompt of any task. ``one_line`` ends the text at its first line end.

        Raises PromptTooLong.
        """

    async def choose(self, prompt: Prompt, options: Sequence[str]) -> "Choice":
        """The probabilities of options, told apart by how they begin, in the answer to a prompt.

        Raises PromptTooLong, and ModelError where the model cannot choose.
        """

    async def likelihood(self, prompt: Prompt, text: str) -> float | None:
        """The mean log-probability of a token of ``text`` as the answer to a prompt, in nats.

        None where it gives no likelihoods. Raises PromptTooLong.
        """

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
        """Rate how well ``response``, which stands below ``headings``, answers ``instruction``.

        ``turns`` are what was said before.

        Raises PromptTooLong, and ModelError ("unrated") if the pair cannot be rated.
        """

    async def probe(self) -> None:
        """See whether it works, without a record. Raises where it does not."""

    async def rates_by(self) -> str:
        """What its ratings are made from, in words, and why where that is not what was asked for.

        Raises where it cannot be told.
        """

    async def aclose(self) -> None:
        """Free what it holds. Idempotent."""
