"""What the answerer makes of questions, and at what rate.

Run with ``python -m bench.answering --model MODEL [--instructions FILE]``. Half of the questions
are problems with known answers, made up here (``problems.py``). The others are instructions without
a context of FILE, such as Dolly's; without it all are problems. A worker with every stage answers
them on an embedded Kafka; ``audit`` then accounts for each. With ``--rounds``, worker and engine
alone answer ``--timed`` of them in turns. Prints JSON.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from agents.answers.form import Form
from bench.answering.calibration import Vote, calibration, vote
from bench.answering.problems import problems
from bench.answering.run import Pass, engine_alone, stream
from bench.in_turns import in_turns
from bench.process import in_fresh_process
from bench.recorded_model import Written
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from schemas.ids import question_id
from schemas.records import Question
from streams.cli.audit_report import as_report
from streams.data.feed import ask
from streams.data.questions import read_questions
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.settings import Settings, load


def main() -> int:
    """Measure, print, and return the exit code."""
    options = _parse()
    directory = prepare(options.model, default_cache(), progress=_note)
    asked, known = _questions(options)
    found: dict[str, Any] = {"model": options.model, "questions": len(asked)}
    with (
        tempfile.TemporaryDirectory(prefix="backstream-bench-") as work,
        EmbeddedBroker(Path(work)) as broker,
    ):
        settings = load(None, {}, tuple(options.set)).with_broker(broker.address)
        found["settings"] = settings.answering.model_dump(mode="json")
        found |= _answered(settings, directory, asked, known, options.written)
        if options.rounds:
            found["rate"] = _timed(settings, directory, asked[: options.timed], options.rounds)
    text = json.dumps(found, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


def _questions(options: argparse.Namespace) -> tuple[list[Question], dict[str, str]]:
    """The questions, problems and instructions in turns, and the known answers by id."""
    half = options.questions // 2 if options.instructions else options.questions
    known: dict[str, str] = {}
    made: list[Question] = []
    for problem in problems(half):
        id = question_id(problem.question, None)
        known[id] = problem.answer
        made.append(Question(id=id, instruction=problem.question, source="problems"))
    if options.instructions:
        rows = [
            one
            for one in read_questions([str(options.instructions)])
            if isinstance(one, Question) and not one.context and len(one.instruction) < 400
        ]
        usable = rows[: -options.held_out] if options.held_out else rows
        step = len(usable) // (options.questions - half)
        picked = usable[::step][: options.questions - half]
        made = [one for pair in zip(made, picked, strict=False) for one in pair]
    return made, known


def _answered(
    settings: Settings,
    directory: Path,
    asked: Sequence[Question],
    known: dict[str, str],
    written: Path | None,
) -> dict[str, Any]:
    cluster = settings.kafka.cluster()
    create_topics(cluster)
    assert ask(cluster, asked).written == len(asked)
    _note(f"{len(asked)} questions are on their topic")
    done = in_fresh_process(stream, settings, directory, len(asked), written)
    with FlowReader(cluster) as reader:
        account = audit(cluster, reader.committed())
    report = as_report(account)
    [answerer] = [one for one in account.stages if one.stage == "answerer"]
    by_question: dict[str, list[Written]] = defaultdict(list)
    for one in done.written:
        by_question[one.instruction].append(one)
    votes = {
        one.id: vote(
            one, by_question[one.instruction], settings.answering.similarity, known.get(one.id)
        )
        for one in asked
    }
    return {
        "seconds": round(done.seconds, 1),
        "questions a second": round(len(asked) / done.seconds, 3),
        "samples": len(done.written),
        "generated tokens": done.stats.generated_tokens,
        "prompt tokens": done.stats.prompt_tokens,
        "reused tokens": done.stats.reused_tokens,
        "audit": {
            "complete": account.complete,
            "ids": answerer.ids,
            "followed": answerer.followed,
            "rejected": answerer.rejected,
            "lost": len(answerer.lost),
            "examples": account.examples,
            "rejections": report["rejections"],
        },
        "forms": _forms(list(votes.values())),
        "calibration": calibration(list(votes.values())),
    }


def _forms(votes: Sequence[Vote]) -> dict[str, Any]:
    groups: dict[Form, list[Vote]] = defaultdict(list)
    for one in votes:
        groups[one.form].append(one)
    return {
        form.value: {
            "questions": len(found),
            "agreement": round(mean(one.share for one in found), 3),
            "at least half agree": sum(one.share >= 0.5 for one in found),
            "unfinished samples": round(mean(one.unfinished for one in found), 3),
            "shares": dict(sorted(Counter(str(round(one.share, 3)) for one in found).items())),
        }
        for form, found in sorted(groups.items())
    }


def _timed(
    settings: Settings, directory: Path, asked: Sequence[Question], rounds: int
) -> dict[str, Any]:
    """The worker beside the engine alone, in turns. Each has a process and topics of its own."""
    streams: list[Pass] = []
    alone: list[Pass] = []
    for own in in_turns(settings, rounds):
        ask(own.kafka.cluster(), asked)
        streams.append(one := in_fresh_process(stream, own, directory, len(asked)))
        _note(f"the stream: {len(asked) / one.seconds:.2f} questions/s")
        alone.append(one := in_fresh_process(engine_alone, own, directory, asked))
        _note(f"the engine alone: {len(asked) / one.seconds:.2f} questions/s")
    shares = [its.seconds / ours.seconds for ours, its in zip(streams, alone, strict=True)]
    return {
        "questions": len(asked),
        "stream, questions a second": [round(len(asked) / one.seconds, 3) for one in streams],
        "engine alone, questions a second": [round(len(asked) / one.seconds, 3) for one in alone],
        "stream as a share of the engine": round(median(shares), 3),
        "tokens": {
            name: {
                "prompt": found.stats.prompt_tokens,
                "reused": found.stats.reused_tokens,
                "generated": found.stats.generated_tokens,
            }
            for name, found in (("stream", streams[-1]), ("engine alone", alone[-1]))
        },
    }


_STARTED = time.monotonic()


def _note(line: str) -> None:
    print(f"{time.monotonic() - _STARTED:6.1f} s  {line}", file=sys.stderr, flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.answering", description="Measure the answerer."
    )
    parser.add_argument("--model", default="house", help="as `--model` (default: %(default)s)")
    parser.add_argument("--questions", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--instructions", type=Path, help="rows of instructions, such as Dolly's")
    parser.add_argument(
        "--held-out", type=int, default=1000, help="last rows to leave out (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=0, help="rounds of the comparison of rates")
    parser.add_argument(
        "--timed", type=int, default=40, help="its questions (default: %(default)s)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--written", type=Path, help="a file to append every sampled answer to")
    parser.add_argument("--output", type=Path, help="a file for the JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
