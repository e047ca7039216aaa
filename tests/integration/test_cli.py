"""The commands as a user runs them: what they print, and their exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from tests.integration.conftest import passage, wait_until_idle

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streams", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=720, check=False, cwd=ROOT, **options
    )


def test_feed_status_export_and_tail(settings, start_worker, tmp_path):
    broker = ["--broker", settings.kafka.bootstrap_servers]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.txt").write_text(passage(1))
    (tmp_path / "in" / "two.md").write_text(passage(2))
    (tmp_path / "in" / "three.jsonl").write_text(json.dumps({"text": passage(3)}) + "\n{broken\n")
    (tmp_path / "in" / "four.txt").write_bytes(b"\x00\x01\x02binary")

    fed = run("feed", str(tmp_path / "in"), "--json", *broker)
    report = json.loads(fed.stdout)
    assert fed.returncode == 3  # two inputs could not be read
    assert (report["documents"], report["failed"]) == (3, 2)
    assert "three.jsonl" in "".join(report["errors"])
    assert "four.txt" in "".join(report["errors"])
    assert run("feed", "-", *broker, input=passage(4)).returncode == 0

    start_worker().wait_until_ready()
    wait_until_idle(settings, 4)
    status = json.loads(run("status", "--json", "--forward", "judge", *broker).stdout)
    assert {stage["lag"] for stage in status["stages"]} == {0}
    assert status["messages"][f"{settings.kafka.topic_prefix}documents"] == 4
    assert status["release"].startswith("house-")
    assert status["pinned"] == {"forward": "judge"}
    kept = status["messages"][f"{settings.kafka.topic_prefix}curated"]
    assert kept >= 1

    assert run("audit", *broker).returncode == 0
    for shape, columns in (
        ("triples", {"id", "instruction", "response", "score"}),
        ("alpaca", {"instruction", "input", "output"}),
    ):
        output = tmp_path / f"{shape}.jsonl"
        assert run("export", "-o", str(output), "--shape", shape, *broker).returncode == 0
        rows = [json.loads(line) for line in output.read_text().splitlines()]
        assert len(rows) == kept
        assert columns <= rows[0].keys()
    card = (tmp_path / "triples.card.md").read_text()
    assert f"| all | {kept} |" in card
    assert "CC BY-SA 3.0" in card, "the house model wrote and rated them"
    named = run(
        "export", "-o", str(tmp_path / "named.jsonl"), "--license", "cc-by-4.0", "--json", *broker
    )
    assert "license: cc-by-4.0\n" in Path(json.loads(named.stdout)["card"]).read_text()
    assert (
        run(
            "export", "-o", str(tmp_path / "chat.parquet"), "--shape", "chat", "--no-card", *broker
        ).returncode
        == 0
    )
    assert not (tmp_path / "chat.card.md").exists()
    assert parquet.read_table(tmp_path / "chat.parquet").num_rows == kept
    tailed = run("tail", "-n", "1", "--from-beginning", *broker)
    assert json.loads(tailed.stdout)["response"]

    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        '{"instruction": "Name a bird.", "input": "", "output": "A wren."}\n{"text": "no pair"}\n'
    )
    for _ in range(2):
        seeded = run("seed", str(pairs), "--json", *broker)
        report = json.loads(seeded.stdout)
        assert (seeded.returncode, report["seeds"], report["failed"]) == (3, 1, 1)
    assert run("export", "-o", str(tmp_path / "seeded.jsonl"), *broker).returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "seeded.jsonl").read_text().splitlines()]
    assert [row["instruction"] for row in rows if row["origin"] == "seed"] == ["Name a bird."]
    assert len(rows) == kept + 1
    assert run("audit", *broker).returncode == 0


def test_preview_shows_verdicts_and_writes_nothing(tmp_path, house):
    (tmp_path / "notes.txt").write_text(passage(5))
    shown = run(
        "preview",
        str(tmp_path / "notes.txt"),
        "-n",
        "1",
        "--json",
        env={**os.environ, "BACKSTREAM_STATE_DIR": str(tmp_path / "s")},
    )
    verdict = json.loads(shown.stdout)
    given = {"source", "passage", "said", "instruction", "category", "response"}
    assert verdict.keys() == given | {"score", "verdict", "reason"}
    assert verdict["verdict"] in ("kept", "rejected")
    assert not (tmp_path / "s").exists()
    (tmp_path / "short.txt").write_text("Too little.")
    refused = run("preview", str(tmp_path / "short.txt"))
    assert "passage:     Too little." in refused.stdout
    assert "refused (segmenter: too_short, a passage of 11 characters" in refused.stdout
    assert refused.stderr.endswith("1 refused\n")
    assert refused.returncode == 0
    (tmp_path / "broken.jsonl").write_text("{\n")
    partly = run("preview", str(tmp_path / "broken.jsonl"), str(tmp_path / "short.txt"))
    assert partly.returncode == 3
    assert partly.stderr.endswith("1 unreadable, 1 refused\n")


def test_segment_prints_each_passage_once_and_counts_what_it_refuses(tmp_path):
    (tmp_path / "a.txt").write_text(passage(5))
    (tmp_path / "b.txt").write_text(passage(5))
    (tmp_path / "c.txt").write_text("Too little.")
    cut = run("segment", str(tmp_path))
    rows = [json.loads(line) for line in cut.stdout.splitlines()]
    assert len(rows) == 1
    assert passage(5).strip().endswith(rows[0]["text"])
    assert "1 passage; refused: 1 too_short" in cut.stderr
    assert run("segment", str(tmp_path / "c.txt")).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["feed", "README.md", "--broker", "127.0.0.1:1"], "nothing listens on 127.0.0.1:1"),
        (["status", "-s", "curation.treshold=3"], "did you mean 'curation.threshold'"),
        (["status", "-c", "no-such-file.yaml"], "no-such-file.yaml cannot be read"),
        (["preview", "README.md", "--model", "docs"], "docs"),
        (["preview", "README.md", "--model", "no/such-model"], "no/such-model"),
        (["worker", "--stages", "segmenter,cooker"], "no stage cooker"),
    ],
)
def test_an_error_is_a_message_without_a_traceback(arguments, message, tmp_path):
    failed = run(
        *arguments, env={**os.environ, "BACKSTREAM_STATE_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    )
    assert failed.returncode != 0
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_check_names_what_cannot_be_used(broker, tmp_path):
    assert run("check", "--broker", broker.address).returncode == 0
    failed = run("check", "--broker", "127.0.0.1:1", "--model", "docs")
    assert failed.returncode == 1
    assert failed.stdout.count("FAILED") == 2


def test_a_state_directory_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "state").write_text("a file, not a directory")
    failed = run("up", "--state-dir", str(tmp_path / "state"))
    assert failed.returncode == 1
    assert "cannot use" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="needs to mount a small file system"
)
@pytest.mark.kafka
def test_a_full_disk_under_the_state_directory_is_an_error(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)],
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("this machine does not let us mount a file system")
    try:
        failed = run("up", "--state-dir", str(small / "state"))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "the disk is full" in failed.stderr or "No space left" in failed.stderr


def test_a_second_up_on_the_same_state_directory_is_refused(broker, tmp_path):
    from schemas.errors import BrokerError
    from streams.kafka.embedded.broker import EmbeddedBroker

    with pytest.raises(BrokerError, match="in use by another"):
        EmbeddedBroker(broker.directory).start()
