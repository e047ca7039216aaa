"""The rewriter agent: writes the responses of curated examples again, in an assistant's voice.

After *Better Alignment with Instruction Back-and-Forth Translation* (arXiv 2408.04614): the answer
is written from the instruction and the passage. It becomes a candidate like any other: the scorer
rates it, and the curator keeps it in place of the original where it is rated higher.
"""

from dataclasses import replace

from agents.curation.leakage import find_leak
from agents.figures import as_score
from agents.outcomes import Retraction
from agents.refusal import Refusal
from agents.rewriting.grounding import says_more, unfounded
from agents.rewriting.settings import RewritingSettings
from models.prompts.prompt import Prompt
from models.prompts.tasks.backward import heading_line
from models.prompts.template import SEED_TAG, Task
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from models.serving.written import WrittenText
from schemas.errors import PromptTooLong
from schemas.ids import example_id, sampling_seed
from schemas.records import (
    Candidate,
    Example,
    ExampleOrigin,
    Offset,
    Original,
    Rejection,
)


class Rewriter:
    """Example → a Candidate with another response, or a Rejection. The example stays as it is.

    An example that was rewritten before, and a retraction, lead to nothing.
    """

    stage = "rewriter"

    def __init__(self, handle: ModelHandle, settings: RewritingSettings | None = None) -> None:
        self._handle = handle
        self._settings = settings = settings or RewritingSettings()
        self._sampling = settings.sampling()

    async def handle(
        self, example: Example | Retraction, at: Offset | None = None
    ) -> list[Candidate | Rejection]:
        """Rewrite the response of an example. Sampling is seeded from the new example's id."""
        if isinstance(example, Retraction) or _is_rewritten(example):
            return []
        if refusal := _unfit(example):
            return [_reject(example, refusal)]
        async with self._handle.borrow() as model:
            template = model.template_id(Task.REWRITING)
            id = example_id(example.id, model.release, template, 0)
            try:
                written = await model.write(
                    _prompt(example), replace(self._sampling, seed=sampling_seed(id))
                )
                refusal = self._unusable(example, written) or await self._ungrounded(
                    model, example, written.text
                )
            except PromptTooLong as error:
                refusal = Refusal("prompt_too_long", str(error))
            if refusal:
                return [_reject(example, refusal, model.release)]
            return [_rewritten(example, id, written.text, model.release, template)]

    async def probe(self) -> None:
        """See whether the model works, without a record. Raises EngineError where it does not."""
        await self._handle.probe()

    def _unusable(self, example: Example, written: WrittenText) -> Refusal | None:
        text, settings = written.text, self._settings
        if not text:
            return Refusal("empty_response", "the model wrote nothing")
        if not written.finished:
            return Refusal("unfinished_response", text[:200])
        if text.split() == example.response.split():
            return Refusal("unchanged", "it is the passage word for word")
        if leak := find_leak(example.instruction, text):
            return leak
        if not says_more(text, example.instruction):
            return Refusal("nothing_new", f"{text[:200]!r} has the words of the instruction alone")
        source = "\n".join((*example.provenance.headings, example.context or "", example.response))
        asked, language = example.instruction, example.provenance.language
        found = unfounded(text, source, settings.coverage, asked=asked, language=language)
        return next(found, None)

    async def _ungrounded(self, model: RoleModel, example: Example, text: str) -> Refusal | None:
        """Refuse a text that the passage does not make more likely.

        Nothing is refused where the model gives no likelihoods, as some servers do not.
        """
        given = await model.likelihood(_prompt(example), text)
        alone = await model.likelihood(_prompt(example, with_passage=False), text)
        if given is None or alone is None or given - alone >= self._settings.gain:
            return None
        return Refusal(
            "not_from_passage",
            f"the passage saves {as_score(given - alone)} nats a token, "
            f"at least {self._settings.gain:g}",
        )


def _is_rewritten(example: Example) -> bool:
    """Whether one of the samples that the example competes with is a rewritten one of it."""
    originals = (one.provenance.original for one in example.alternatives)
    return any(original is not None and original.id == example.id for original in originals)


def _unfit(example: Example) -> Refusal | None:
    if example.origin is ExampleOrigin.SEED:
        return Refusal("human", "a person wrote the response")
    if example.ruling is not None:
        return Refusal("decided", "a person keeps it as it is")
    if example.provenance.original is not None:
        return Refusal("rewritten", "the response was rewritten before")
    if not example.provenance.segment_id or example.rating is None:
        return Refusal("no_passage", "the response is not a passage")
    return None


def _prompt(example: Example, with_passage: bool = True) -> Prompt:
    return Prompt(
        Task.REWRITING,
        {
            "instruction": example.instruction,
            "context": example.context or "",
            "response": example.response if with_passage else "",
            "heading": heading_line(example.provenance.headings) if with_passage else "",
            "tag": SEED_TAG,
        },
        example.turns,
    )


def _rewritten(example: Example, id: str, text: str, release: str, template: str) -> Candidate:
    made = example.provenance
    assert example.rating is not None
    original = Original(
        id=example.id,
        response=example.response,
        rating=example.rating,
        generator=made.generator,
        release=made.release,
        template=made.template,
    )
    return Candidate(
        id=id,
        instruction=example.instruction,
        context=example.context,
        response=text,
        provenance=made.model_copy(
            update={
                "generator": Rewriter.stage,
                "release": release,
                "template": template,
                "original": original,
            }
        ),
        turns=example.turns,
        category=example.category,
        confidence=example.confidence,
    )


def _reject(example: Example, refusal: Refusal, release: str = "") -> Rejection:
    made = example.provenance
    return Rejection(
        id=example.id,
        stage=Rewriter.stage,
        reason=refusal.reason,
        detail=refusal.detail,
        document_id=made.document_id,
        segment_id=made.segment_id,
        request_id=made.request_id,
        release=release,
    )
