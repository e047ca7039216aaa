"""The backward agent: writes the instruction that a passage answers (Myx in arXiv 2308.06259)."""

import asyncio
from collections.abc import Mapping

from models.engine import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.written import WrittenInstruction
from schemas.errors import PromptTooLong
from schemas.records import Candidate, Offset, Provenance, Rejection, Segment


class Backward:
    """Segment → for each sample, a Candidate or a Rejection."""

    stage = "backward"

    def __init__(
        self,
        handle: ModelHandle,
        sampling: Sampling,
        samples: int = 1,
        openings: Mapping[str, float] | None = None,
    ) -> None:
        """``openings`` are first words of instructions with their weights; None for any."""
        self._handle = handle
        self._openings = openings
        self._sampling = sampling
        self._samples = samples

    async def handle(
        self, segment: Segment, at: Offset | None = None
    ) -> list[Candidate | Rejection]:
        """Write ``samples`` instructions for a segment, concurrently.

        A segment whose prompt is too long gives one rejection. Identical instructions are not
        removed here: the curator keeps one sample of a segment.
        """
        async with self._handle.borrow() as model:
            write = model.write_instruction
            try:
                written = await asyncio.gather(
                    *(
                        write(
                            segment.id,
                            segment.text,
                            segment.context,
                            self._sampling,
                            sample,
                            headings=segment.headings,
                            # Later messages of a user begin in other ways than first ones.
                            openings=None if segment.turns else self._openings,
                            turns=segment.turns,
                        )
                        for sample in range(self._samples)
                    )
                )
            except PromptTooLong as error:
                return [
                    segment.refuse(self.stage, "prompt_too_long", str(error), release=model.release)
                ]
        return [self._judge(segment, sample, one) for sample, one in enumerate(written)]

    async def probe(self) -> None:
        """See whether the model works, without a record. Raises EngineError where it does not."""
        async with self._handle.borrow() as model:
            await model.probe()

    def _judge(
        self, segment: Segment, sample: int, written: WrittenInstruction
    ) -> Candidate | Rejection:
        if not written.instruction:
            return segment.refuse(
                self.stage,
                "empty_instruction",
                "the model wrote nothing",
                id=written.id,
                release=written.release,
            )
        if not written.complete:
            cut = written.instruction[:200]
            return segment.refuse(
                self.stage, "unfinished_instruction", cut, id=written.id, release=written.release
            )
        return Candidate(
            id=written.id,
            instruction=written.instruction,
            context=written.context,
            response=segment.text,
            turns=segment.turns,
            provenance=Provenance(
                source=segment.source,
                document_id=segment.document_id,
                document_at=segment.document_at,
                segment_id=segment.id,
                headings=segment.headings,
                language=segment.language,
                release=written.release,
                template=written.template,
                sample=sample,
                samples=self._samples,
            ),
        )
