"""Conversations are fed, a worker is killed midway, and every reply is answered for, once."""

import json
from pathlib import Path

from typer.testing import CliRunner

from schemas.records import Candidate, Example, Segment
from streams.cli.documents import read_documents
from streams.cli.main import app
from streams.data.tally import Tally
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CANDIDATES, CURATED, SEGMENTS
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.observe.preview import cut_documents
from streams.settings import Settings
from tests.integration.conftest import passage, wait_for_flow

_CONVERSATIONS, _EXCHANGES = 12, 3


def _conversations(file: Path) -> Path:
    """Chats of three exchanges. Nobody has written the last request of each."""
    rows = []
    for chat in range(_CONVERSATIONS):
        messages = []
        for turn in range(_EXCHANGES):
            last = turn == _EXCHANGES - 1
            asked = None if last else f"What is said of number {chat * 10 + turn}, and since when?"
            messages.append({"role": "user", "content": asked})
            messages.append({"role": "assistant", "content": passage(chat * _EXCHANGES + turn)})
        rows.append({"messages": messages})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def _expected(settings: Settings, file: Path) -> dict[str, Segment]:
    """What the segmenter makes of the file, without a broker."""
    cut = cut_documents(settings, read_documents([str(file)], None, None, Tally()))
    return {one.id: one for one in cut if isinstance(one, Segment)}


def test_a_killed_worker_loses_no_reply_and_no_turn(
    settings: Settings, start_worker, tmp_path: Path
) -> None:
    file = _conversations(tmp_path / "chats.jsonl")
    wanted = _expected(settings, file)
    assert len(wanted) == _CONVERSATIONS * _EXCHANGES
    assert {len(one.turns) for one in wanted.values()} == {0, 2, 4}
    broker = ["--broker", settings.kafka.bootstrap_servers]
    run = CliRunner().invoke(app, ["feed", str(file), *broker])
    assert run.exit_code == 0, run.output

    first = start_worker()
    first.wait_until_ready()
    wait_for_flow(
        settings, lambda flow: flow.messages["candidates"] + flow.messages["rejected"] >= 4
    )
    first.kill()
    second = start_worker()
    second.wait_until_ready()
    wait_for_flow(settings, lambda flow: flow.idle and flow.messages["segments"] >= len(wanted))
    assert second.terminate() == 0, second.describe()

    cluster, records = settings.kafka.cluster(), RecordReader()
    with FlowReader(cluster) as reader:
        account = audit(cluster, reader.committed())
    assert account.complete
    for stage in account.stages:
        assert (stage.dead, stage.in_flight, stage.lost) == (0, 0, ()), stage
    cut = [records.read_record(one, Segment) for one in replay(cluster, SEGMENTS)]
    assert {one.id: one.turns for one in cut if one} == {
        id: one.turns for id, one in wanted.items()
    }
    written = [
        candidate
        for one in replay(cluster, CANDIDATES)
        if (candidate := records.read_record(one, Candidate))
    ]
    assert any(candidate.turns for candidate in written)
    for candidate in written:
        segment = wanted[candidate.provenance.segment_id]
        assert (candidate.turns, candidate.response) == (segment.turns, segment.text)

    kept = [
        example
        for one in replay(cluster, CURATED)
        if (example := records.read_record(one, Example))
    ]
    for example in kept:
        assert example.turns == wanted[example.provenance.segment_id].turns
    chats = tmp_path / "chats-out.jsonl"
    run = CliRunner().invoke(app, ["export", "-o", str(chats), "--shape", "chat", *broker])
    assert run.exit_code == 0, run.output
    rows = [json.loads(line) for line in chats.read_text().splitlines()]
    assert len(rows) == len({example.id for example in kept}) > 0
    lengths = {len(example.turns) + 2 for example in kept}
    assert {len(row["messages"]) for row in rows} == lengths
    assert max(lengths) > 2, "an example with earlier turns"
