"""The share of its engine's throughput that the agents reach, without a broker.

The agents of the stream cut, write and rate passages of the demo's documents. Their calls of the
engine are recorded, and the engine alone then answers the same calls, as many at a time.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.backward import Backward
from agents.scorer import Scorer
from agents.segmenter import Segmenter
from bench.gpu.subjects import copy_tokenizer, precisions_on, write_graphs
from bench.report import Row
from models.engine import DigitProbabilities, Engine, Generation
from models.prompts.layout import Prompter
from models.releases.checkpoints import HOUSE_CHECKPOINT
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from schemas.records import Candidate, Segment
from streams.run.demo.documents import demo_documents
from streams.settings import Role, Settings
from streams.stages.making import agent_makers

_IN_FLIGHT = 64


@dataclass
class _Recorder:
    """An engine that notes what it is asked."""

    engine: Engine
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, stop_ids: Collection[int]
    ) -> Generation:
        self.calls.append(("generate", (prompt, sampling, stop_ids)))
        return await self.engine.generate(prompt, sampling, stop_ids)

    async def rate(
        self, prompt: Sequence[int], digit_ids: Sequence[int], priority: int = 0
    ) -> DigitProbabilities:
        self.calls.append(("rate", (prompt, digit_ids, priority)))
        return await self.engine.rate(prompt, digit_ids, priority)

    async def score(
        self, prompt: Sequence[int], target: Sequence[int], priority: int = 0
    ) -> tuple[float, ...]:
        self.calls.append(("score", (prompt, target, priority)))
        return await self.engine.score(prompt, target, priority)


def measure(
    scratch: Path, device: str, checkpoints: Sequence[Path], passages: int
) -> Iterator[Row]:
    """Passages a second of the agents and of the engine alone."""
    import torch
    from transformers import AutoModelForCausalLM

    for checkpoint in (HOUSE_CHECKPOINT, *checkpoints):
        name = "house model" if checkpoint == HOUSE_CHECKPOINT else checkpoint.name
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        graphs = write_graphs(model, scratch / name, precisions_on(device))
        copy_tokenizer(checkpoint, graphs.directory)
        yield from asyncio.run(_compare(name, graphs.directory, device, passages))


async def _compare(name: str, directory: Path, device: str, passages: int) -> list[Row]:
    engine = Engine.load(directory, device=device)
    recorder = _Recorder(engine)
    served: Any = ServedModel("bench", recorder, Prompter.load(directory))  # type: ignore[arg-type]
    settings = Settings.model_validate({"curation": {"mix": {}}})  # each passage is a response
    handles = dict.fromkeys(Role, ModelHandle(served))
    agents = {key: make() for key, make in agent_makers(settings, handles).items()}
    segments: dict[str, Segment] = {}
    for document in demo_documents():
        made = await agents[Segmenter.stage].handle(document)
        segments |= {one.id: one for one in made if isinstance(one, Segment)}
        if len(segments) >= passages:
            break
    chosen = list(segments.values())[:passages]
    places = asyncio.Semaphore(_IN_FLIGHT)

    async def carry(segment: Segment) -> None:
        async with places:
            for written in await agents[Backward.stage].handle(segment):
                if isinstance(written, Candidate):
                    await agents[Scorer.stage].handle(written)

    async def again(name: str, arguments: tuple[Any, ...]) -> None:
        async with places:
            await getattr(engine, name)(*arguments)

    try:
        await asyncio.gather(*map(carry, chosen[:8]))  # warm up
        recorder.calls.clear()
        started = time.perf_counter()
        await asyncio.gather(*map(carry, chosen))
        through_agents = time.perf_counter() - started
        calls = list(recorder.calls)
        started = time.perf_counter()
        await asyncio.gather(*(again(*call) for call in calls))
        alone = time.perf_counter() - started
    finally:
        engine.close()
    section = f"Agents over their engine, no broker: {name}, {len(chosen)} passages, in flight 64"
    return [
        Row(section, "agents: passages/s", [len(chosen) / through_agents]),
        Row(
            section, f"engine alone, the same {len(calls)} calls: passages/s", [len(chosen) / alone]
        ),
        Row(section, "share of the engine", [alone / through_agents]),
    ]
