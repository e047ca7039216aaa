"""The chain: segmenter, backward, scorer and curator in one worker, without generation.

The agents, the harness and the worker are the real ones. Only the model is a stand-in, which
answers at once with a constant.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import cast

import psutil

from agents.curator import Curator
from bench.process import Cost, State, Tally, watch
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from models.serving.written import WrittenInstruction
from schemas.ids import document_id, example_id
from schemas.records import Document, Rating
from streams.kafka.topics import DOCUMENTS, Topic
from streams.settings import Role, Settings
from streams.stages.metrics import Metrics
from streams.stages.topology import STAGES
from streams.worker.worker import Worker

_TEMPLATE = "constant/1"
_MARKS = (0.1, 0.5, 1.0)
_WORD_BITS = 12
_VOCABULARY = tuple(
    "".join(
        "bdfgklmnprstvzjw"[part & 15] + "aeio"[part >> 4] for part in (number & 63, number >> 6)
    )
    for number in range(1 << _WORD_BITS)
)
"""Words of four letters, none of which is English enough to be refused."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A worker's memory and files after so many records."""

    records: int
    resident_mb: float
    descriptors: int


@dataclass(frozen=True, slots=True)
class Carried:
    """What a chain did. ``cost`` is for each document, through all four stages."""

    cost: Cost
    kept: int
    """Examples that the curator kept."""
    memory: tuple[Memory, ...]


def documents(count: int) -> Iterator[Document]:
    """Different documents of about 1 kB, each of which the segmenter finds to be one passage."""
    for number in range(count):
        choose = Random(number)
        sentences = (
            " ".join(choose.choices(_VOCABULARY, k=12)).capitalize() + "." for _ in range(16)
        )
        text = f"{number} {' '.join(sentences)}"
        source = f"bench/{number}"
        yield Document(id=document_id(source, text), source=source, text=text)


class ConstantModel:
    """Stands in for a ServedModel.

    It writes a different instruction for each passage, and gives each pair the same score.
    """

    release = "constant"
    generation_slots = 16

    def __init__(self, score: float) -> None:
        self._score = score

    async def write_instruction(
        self,
        parent_id: str,
        response: str,
        context: str | None,
        sampling: Sampling,
        sample: int = 0,
        **others: object,
    ) -> WrittenInstruction:
        """An instruction made of words that the id stands for."""
        await asyncio.sleep(0)  # as an engine does, let others run
        id = example_id(parent_id, self.release, _TEMPLATE, sample)
        number = int(id, 16)
        picked = [
            _VOCABULARY[(number >> shift) % len(_VOCABULARY)]
            for shift in range(0, 9 * _WORD_BITS, _WORD_BITS)
        ]
        instruction = (
            f"How does {' '.join(picked[:3])} compare with {' '.join(picked[3:6])} for the "
            f"{' '.join(picked[6:])}?"
        )
        return WrittenInstruction(id, instruction, context, True, self.release, _TEMPLATE)

    async def rate(
        self, instruction: str, response: str, context: str | None, priority: int = 0
    ) -> Rating:
        """The score."""
        await asyncio.sleep(0)
        return Rating(
            score=self._score,
            probabilities=(0, 0, 0, 0.5, 0.5),
            release=self.release,
            template=_TEMPLATE,
        )

    def close(self) -> None:
        """Nothing to give back."""


async def carry(settings: Settings, total: int, score: float) -> Carried:
    """Process the first ``total`` documents of the topic in a worker.

    Measures from the first one taken in to the last one curated.
    """
    metrics = Metrics()
    tally, process, memory = Tally(metrics), psutil.Process(), list[Memory]()

    def state() -> State:
        counts = tally.read()
        curated = counts.get((Curator.stage, "in"), 0)
        while len(memory) < len(_MARKS) and curated >= _MARKS[len(memory)] * total:
            memory.append(Memory(curated, process.memory_info().rss / 1e6, process.num_fds()))
        return stream_state(counts, total)

    handle = ModelHandle(cast(ServedModel, ConstantModel(score)))
    curation = settings.curation.model_copy(update={"mix": {}})  # the model cannot choose tasks
    worker = Worker(settings.model_copy(update={"curation": curation}), metrics=metrics)
    cost = await through(worker, dict.fromkeys(Role, handle), state)
    kept = tally.read().get((Curator.stage, "curated"), 0)
    return Carried(Cost(total, cost.seconds, cost.cpu_seconds), kept, tuple(memory))


def stream_state(counts: dict[tuple[str, str], int], fed: int, at: Topic = DOCUMENTS) -> State:
    """How many records the stages have finished, and whether the stream is complete.

    It is complete once each stage has finished all it was given. ``fed`` records were put on the
    topic ``at``.
    """
    written = Counter({at.name: fed})
    for (_, topic), count in counts.items():
        written[topic] += count
    complete = all(counts.get((spec.name, "in"), 0) >= written[spec.source.name] for spec in STAGES)
    return State(sum(counts.get((spec.name, "in"), 0) for spec in STAGES), complete)


async def through(
    worker: Worker,
    models: Mapping[Role, ModelHandle],
    state: Callable[[], State],
    poll_seconds: float = 0.05,
    stalled_seconds: float = 60.0,
) -> Cost:
    """Run a worker until the stream is complete, which is checked at an interval.

    Raises what ends the worker before, and BackstreamError where nothing happens for
    ``stalled_seconds``.
    """
    running = asyncio.create_task(worker.run(models))
    watching = asyncio.create_task(
        watch(state, poll_seconds=poll_seconds, stalled_seconds=stalled_seconds)
    )
    try:
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        return await watching
    finally:
        watching.cancel()
        worker.stop()
        await asyncio.wait({running})
