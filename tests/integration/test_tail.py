"""``backstream tail`` against a real Kafka."""

import json
import os
import subprocess
import sys
from pathlib import Path

from schemas.records import Example, ExampleOrigin, Provenance, Rating
from streams.data.feed import seed
from streams.kafka.cluster import Cluster
from streams.kafka.topics import CURATED
from streams.settings import Settings
from tests.integration.commands import backstream
from tests.integration.topics import Topics

_ROOT = Path(__file__).parents[2]


def example(id: str, response: str = "So.") -> Example:
    return Example(
        id=id,
        instruction=f"Why\n{id}?",
        response=response,
        origin=ExampleOrigin.AUGMENTED,
        provenance=Provenance(source="notes/a.md"),
        rating=Rating(score=4.5, probabilities=(0, 0, 0, 1, 1), release="r", template="t"),
    )


def retract(cluster: Cluster, id: str) -> None:
    with Topics(cluster).producer() as producer:
        producer.send(cluster.topic(CURATED), None, id.encode(), partition=0).get(60)


def test_what_was_dropped_is_left_out_and_what_is_dropped_later_is_said(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    topics = Topics(cluster)
    seed(cluster, [])  # creates the topics
    topics.write(example("a", "Old."), example("b"), example("a", "word " * 300), example("c"))
    retract(cluster, "b")
    broker = ["--broker", settings.kafka.bootstrap_servers]
    options = ["--from-beginning", *broker]

    shown = backstream("tail", "-n", "2", "--text", *options)
    assert shown.code == 0, shown.text
    assert shown.text.startswith("4.50  a  notes/a.md\n    request  Why a?\n     answer  word word")
    assert shown.text.endswith("4.50  c  notes/a.md\n    request  Why c?\n     answer  So.\n\n")
    assert len(shown.text.splitlines()) == 11, "the long answer has four lines"
    rows = backstream("tail", "-n", "2", *options).text.splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["a", "c"]
    [row] = backstream("tail", "-n", "1", "--shape", "chat", *options).text.splitlines()
    assert json.loads(row)["messages"][1]["content"] == "word " * 300

    newest = backstream("tail", "--newest", "1", "--text", *broker)
    assert (newest.code, newest.text) == (
        0,
        "4.50  c  notes/a.md\n    request  Why c?\n     answer  So.\n\n",
    )
    rows = backstream("tail", "--newest", "5", *broker).text.splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["a", "c"], "all that there are, and it ends"
    both = backstream("tail", "--newest", "5", *options)
    assert (both.code, "not with -n or --from-beginning" in both.text) == (2, True), both.text

    with subprocess.Popen(
        [sys.executable, "-m", "streams", "tail", "-n", "3", "--json", *options],
        cwd=_ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [json.loads(process.stdout.readline())["id"] for _ in range(2)] == ["a", "c"]
        retract(cluster, "c")
        topics.write(example("d"))
        rest, said = process.communicate(timeout=120)
    assert json.loads(rest)["id"] == "d"
    assert "c is no longer accepted" in said
