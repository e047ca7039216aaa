"""`backstream export` against a broker: filters, split, and what follows a kill."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from kafka import KafkaProducer
from typer.testing import CliRunner

from schemas.records import Alternative, Example, ExampleOrigin, Provenance, Rating
from streams.cli.exporting import needed
from streams.cli.main import app
from streams.data.changes import newest
from streams.data.feed import seed
from streams.data.rotation import RETRACTIONS
from streams.kafka.topics import CURATED
from tests.hub_server import Fault, hub_server
from tests.integration.commands import backstream
from tests.integration.topics import Topics

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


def test_what_no_row_has_is_not_held_in_memory(settings, tmp_path):
    cluster = settings.kafka.cluster()
    seed(cluster, [])  # creates the topics
    rating = Rating(
        score=4.5,
        probabilities=(0, 0, 0, 0, 1),
        evidence={"digits": 4.25},
        release="r",
        template="t",
    )
    other = Alternative(id="e1", instruction="And why?", rating=rating)
    written = example(0).model_copy(update={"rating": rating, "alternatives": (other,)})
    Topics(cluster).write(written)
    [held] = newest(cluster, partial(needed, with_evidence=False))
    assert held.example == example(0).model_copy(
        update={"rating": rating.model_copy(update={"evidence": {}})}
    )
    file = tmp_path / "curated.jsonl"
    done = backstream(
        "export", "--with-evidence", "-o", str(file), "--broker", settings.kafka.bootstrap_servers
    )
    assert done.code == 0, done.text
    assert json.loads(json.loads(file.read_text())["evidence"]) == {"digits": 4.25}


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


def test_a_killed_push_leaves_the_data_set_whole_and_is_done_by_the_next(settings, tmp_path):
    cluster = settings.kafka.cluster()
    command = [sys.executable, "-m", "streams", "export", "--push", "ada/set", "--shape", "chat"]
    command += ["--split", "0.7", "--broker", settings.kafka.bootstrap_servers]

    with hub_server() as hub:
        own = {"HF_ENDPOINT": hub.address, "HF_TOKEN": hub.token, "HF_HOME": str(tmp_path)}
        own |= {"HF_HUB_OFFLINE": "0", "TMPDIR": str(tmp_path)}

        def started() -> subprocess.Popen[str]:
            return subprocess.Popen(
                command, cwd=_ROOT, env=os.environ | own, stdout=subprocess.PIPE, text=True
            )

        def killed(fault: Fault) -> dict[str, bytes]:
            hub.fault = fault
            with started() as process:
                assert fault.reached.wait(120), "the request was not made"
                process.kill()
            fault.resume.set()
            return hub.repositories["ada/set"].files

        def push() -> str:
            with started() as process:
                said = process.communicate(timeout=120)[0]
            assert process.returncode == 0
            return said

        seed(cluster, map(example, range(40)))
        assert killed(Fault("storage", "close", holds=True)) == {}
        assert killed(Fault("storage", "close", skip=1, holds=True)) == {}
        assert len(hub.uploads) == 1
        assert f"40 examples pushed to {hub.address}/datasets/ada/set" in push()
        assert len(hub.uploads) == 2, "the first file was not sent again"
        first = hub.repositories["ada/set"].files
        assert _rows_as_the_card_says(first) == 40

        seed(cluster, map(example, range(40, 80)))
        assert killed(Fault("/commit/", "close", holds=True)) == first
        second = killed(Fault("/commit/", "close", done=True, holds=True))
        assert _rows_as_the_card_says(second) == 80
        assert "80 examples pushed" in push()
        assert hub.repositories["ada/set"].files == second
        assert hub.repositories["ada/set"].commits == 2, "the same set makes no second commit"
        assert len(hub.uploads) == len({*hub.uploads}) == 4


def _rows_as_the_card_says(files: dict[str, bytes]) -> int:
    """Number of rows, which the card has for each side. All files are in the card."""
    _, front, text = files["README.md"].decode().split("---\n", 2)
    [config] = yaml.safe_load(front)["configs"]
    sides = {side["split"]: side["path"] for side in config["data_files"]}
    assert {"README.md", *(path for paths in sides.values() for path in paths)} == files.keys()
    total = 0
    for side, paths in sides.items():
        count = sum(pq.read_metadata(io.BytesIO(files[path])).num_rows for path in paths)
        assert f"{count} in `{side}`" in text
        total += count
    assert f"| all | {total} |" in text
    return total
