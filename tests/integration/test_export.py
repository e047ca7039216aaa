"""`backstream export` against a broker: filters, split, and what follows a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from kafka import KafkaProducer
from typer.testing import CliRunner

from schemas.records import Example, ExampleOrigin, Provenance
from streams.cli.main import app
from streams.data.feed import seed
from streams.data.rotation import RETRACTIONS
from streams.kafka.topics import CURATED

_ROOT = Path(__file__).parents[2]


def example(number: int) -> Example:
    return Example(
        id=f"e{number}",
        instruction=f"Why {number}?",
        response="So.",
        origin=ExampleOrigin.SEED,
        provenance=Provenance(source=f"{number % 2}.md", document_id=f"d{number // 4}"),
    )


def _rows(folder: Path) -> list[dict[str, object]]:
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_filters_and_a_split(settings, tmp_path):
    seed(settings.kafka.cluster(), map(example, range(80)))
    file = tmp_path / "odd name [1]*.jsonl"
    command = ["export", "--broker", settings.kafka.bootstrap_servers, "-o", str(file)]
    prefix = ["-s", f"kafka.topic_prefix={settings.kafka.topic_prefix}"]

    def run(*options: str):
        done = CliRunner().invoke(app, [*command, *prefix, "--json", *options])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    report = run("--source", "1.*", "--split", "0.7", "--seed", "3")
    assert (report["examples"], report["left_out"]) == (40, 0)
    sides = {side: Path(path) for side, path in report["files"].items()}
    found = {
        side: [json.loads(line) for line in path.read_text().splitlines()]
        for side, path in sides.items()
    }
    assert {side: len(rows) for side, rows in found.items()} == report["counts"]
    documents = {side: {row["document_id"] for row in rows} for side, rows in found.items()}
    assert documents["train"].isdisjoint(documents["test"])
    assert {row["source"] for rows in found.values() for row in rows} == {"1.md"}
    card = Path(report["card"]).read_text()
    assert "The export has the 40 of 80 examples with:\n\n- source `1.*`" in card
    assert "path:\n    - odd name [1]*.train.jsonl" in card
    first = {path: path.read_bytes() for path in sides.values()}
    run("--source", "1.*", "--split", "0.7", "--seed", "3")
    assert {path: path.read_bytes() for path in first} == first, "the same set, the same bytes"

    done = CliRunner().invoke(app, [*command, *prefix, "--min-score", "5", "--language", "xx"])
    assert "0 examples" in done.stdout
    assert "passes the filters" in done.stderr
    assert file.read_text() == ""


def test_following_goes_on_after_kills_without_loss_or_doubles(settings, tmp_path):
    cluster, out = settings.kafka.cluster(), tmp_path / "out"
    command = [sys.executable, "-m", "streams", "export", "--follow", "-o", str(out / "set.jsonl")]
    command += ["--broker", settings.kafka.bootstrap_servers, "--rotate-rows", "7"]
    command += [
        "-s",
        f"kafka.topic_prefix={settings.kafka.topic_prefix}",
        "--rotate-seconds",
        "0.2",
    ]

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=_ROOT, stderr=subprocess.DEVNULL, env=os.environ)

    def wait_for(count: int) -> None:
        deadline = time.monotonic() + 180
        while len(_rows(out)) < count:
            assert time.monotonic() < deadline, f"{len(_rows(out))} of {count} rows"
            time.sleep(0.05)

    for first in (0, 100):  # the kill is somewhere in the rows
        seed(cluster, map(example, range(first, first + 100)))
        with started() as process:
            wait_for(first + 20)
            process.kill()
    producer = KafkaProducer(**cluster.client, acks="all")
    producer.send(cluster.topic(CURATED), None, b"e5")
    producer.close()
    with started() as process:
        wait_for(200)
        seed(cluster, [example(200)])
        wait_for(201)
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0
    rows = _rows(out)
    assert sorted(str(row["id"]) for row in rows) == sorted(f"e{n}" for n in range(201))
    assert [row["id"] for row in _rows(out / RETRACTIONS)] == ["e5"]
    assert not list(out.rglob("*.partial"))
