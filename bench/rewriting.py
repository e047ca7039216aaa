"""What the rewriter makes of curated examples: how many it keeps to, and which the scorer prefers.

    python -m bench.rewriting --model writer --examples 40 --output rewritten.jsonl

The agents of the stream cut, write, rate, curate and rewrite passages of the demo's documents, or
of a file, without a broker. Every text that the model writes is rated, refused ones too. The file
has a row for each example, to be read.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from agents.curator import Curator
from agents.rewriter import Rewriter
from agents.rewriting.grounding import covered, missing_names, missing_numbers
from agents.scorer import Scorer
from models.prompts.prompt import Prompt
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from models.serving.written import WrittenText
from schemas.ids import document_id
from schemas.records import Candidate, Document, Example, Rejection, Scored, Segment
from streams.cli.prepare import prepare
from streams.run.demo.documents import demo_documents
from streams.settings import Role, Settings, load
from streams.stages.agent.protocol import Agent
from streams.stages.making import agent_makers
from streams.worker.role_models import RoleModels

_AT_ONCE = 4


@dataclass
class _Recorder:
    """A model that keeps what it wrote and what its likelihoods were."""

    model: RoleModel
    written: dict[str, str]
    """By instruction, as for the next."""
    likelihoods: dict[str, list[float]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        written = await self.model.write(prompt, sampling, one_line=one_line)
        self.written[prompt.texts["instruction"]] = written.text
        return written

    async def likelihood(self, prompt: Prompt, text: str) -> float | None:
        found = await self.model.likelihood(prompt, text)
        if found is not None:
            self.likelihoods.setdefault(prompt.texts["instruction"], []).append(found)
        return found


async def run(
    settings: Settings, documents: Iterable[Document], wanted: int
) -> list[dict[str, Any]]:
    """Curate ``wanted`` examples and rewrite them; a row for each."""
    models = await RoleModels.load(settings, prepare(settings.model))
    try:
        agents = {name: make() for name, make in agent_makers(settings, models.handles).items()}
        examples = [one async for one in _curated(agents, documents, wanted)]
        recorder = _Recorder(models.handles[Role.FORWARD].model, {}, {})
        rewriter = Rewriter(ModelHandle(recorder), settings.rewriting)  # type: ignore[arg-type]
        room = asyncio.Semaphore(_AT_ONCE)

        async def row(example: Example) -> dict[str, Any]:
            async with room:
                return await _row(example, rewriter, recorder, agents)

        return list(await asyncio.gather(*map(row, examples)))
    finally:
        await models.aclose()


async def _curated(agents: dict[str, Agent], documents: Iterable[Document], wanted: int):  # type: ignore[no-untyped-def]
    kept = 0
    for document in documents:
        for segment in await agents["segmenter"].handle(document):
            if not isinstance(segment, Segment):
                continue
            for candidate in await agents["backward"].handle(segment):
                if not isinstance(candidate, Candidate):
                    continue
                for scored in await agents[Scorer.stage].handle(candidate):
                    if not isinstance(scored, Scored):
                        continue
                    for example in await agents[Curator.stage].handle(scored):
                        if isinstance(example, Example):
                            yield example
                            kept += 1
            if kept >= wanted:
                return


async def _row(
    example: Example, rewriter: Rewriter, recorder: _Recorder, agents: dict[str, Agent]
) -> dict[str, Any]:
    [outcome] = await rewriter.handle(example)
    text = recorder.written.get(example.instruction, "")
    source = "\n".join((*example.provenance.headings, example.context or "", example.response))
    likelihoods = recorder.likelihoods.get(example.instruction, [])
    assert example.rating is not None
    rating, verdict = None, outcome.reason if isinstance(outcome, Rejection) else ""
    if text:
        candidate = _as_candidate(example, text) if verdict else outcome
        [rated] = await agents[Scorer.stage].handle(candidate)
        rating = rated.rating.score if isinstance(rated, Scored) else None
        if not verdict and isinstance(rated, Scored):
            kept = await agents[Curator.stage].handle(rated)
            verdict = _verdict(kept, rated.id)
    return {
        "instruction": example.instruction,
        "passage": example.response,
        "rewritten": text,
        "verdict": verdict,
        "score": example.rating.score,
        "rewritten_score": rating,
        "coverage": round(covered(text, f"{source}\n{example.instruction}"), 3),
        "gain": round(likelihoods[0] - likelihoods[1], 3) if len(likelihoods) == 2 else None,
        "missing_numbers": missing_numbers(text, source),
        "missing_names": missing_names(text, source, example.provenance.language),
    }


def _as_candidate(example: Example, text: str) -> Candidate:
    return Candidate(
        id=example.id,
        instruction=example.instruction,
        context=example.context,
        response=text,
        provenance=example.provenance,
    )


def _verdict(outcomes: Iterable[object], id: str) -> str:
    for outcome in outcomes:
        if isinstance(outcome, Example) and outcome.id == id:
            return "kept"
        if isinstance(outcome, Rejection) and outcome.id == id:
            return outcome.reason
    return "nothing"


def report(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The figures, as lines."""
    verdicts = Counter(row["verdict"] for row in rows)
    faithful = [row for row in rows if row["verdict"] in ("kept", "outrated", "below_threshold")]
    rated = [row for row in rows if row["rewritten_score"] is not None]
    higher = [row for row in rated if row["rewritten_score"] > row["score"]]
    yield f"examples {len(rows)}, faithful {len(faithful)}, kept {verdicts['kept']}"
    yield f"rated higher than the original: {len(higher)} of {len(rated)} written"
    yield f"of the faithful: {sum(row in higher for row in faithful)} of {len(faithful)}"
    if rated:
        yield f"median score: original {median(row['score'] for row in rated):.2f}, " + (
            f"rewritten {median(row['rewritten_score'] for row in rated):.2f}"
        )
    yield "verdicts: " + ", ".join(f"{name} {count}" for name, count in verdicts.most_common())


def _documents(file: Path | None) -> Iterator[Document]:
    if file is None:
        yield from demo_documents(few=True)
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            text = json.loads(line).get("context") or ""
            if len(text) >= 600:
                source = f"{file.name}:{number}"
                yield Document(id=document_id(source, text), source=source, text=text)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="writer")
    parser.add_argument("--examples", type=int, default=40)
    parser.add_argument("--documents", type=Path, help="JSON lines whose context is a passage")
    parser.add_argument("--skip", type=int, default=0, help="documents to leave out")
    parser.add_argument("--output", type=Path)
    parser.add_argument("-s", "--set", action="append", default=[], help="key=value of a setting")
    options = parser.parse_args()
    settings = load(None, {"model": options.model}, ("rewriting.enabled=true", *options.set))
    documents = list(_documents(options.documents))[options.skip :]
    rows = asyncio.run(run(settings, documents, options.examples))
    for line in report(rows):
        print(line)
    if options.output:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
