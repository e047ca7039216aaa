"""Commands against a real Kafka that do a part of what they were given: their exit code is 3."""

import json
from pathlib import Path

from schemas.errors import WireError
from streams.data.decisions import read_decisions
from streams.data.ratings import read_ratings
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DEAD_LETTERS, DOCUMENTS, QUESTIONS
from streams.kafka.writing.dead_letters import dead_letter
from streams.settings import Settings
from tests.integration.commands import Ended, backstream
from tests.integration.test_decisions import rated
from tests.integration.topics import Topics


def run(settings: Settings, *arguments: str) -> Ended:
    return backstream(*arguments, "--broker", settings.kafka.bootstrap_servers)


def test_ask_leaves_out_what_is_no_question(
    settings: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "What is a heron?"}\n{broken\n')
    ended = run(settings, "ask", str(file))
    assert ended.code == 3, ended.text
    assert "questions.jsonl" in ended.text
    assert len(list(replay(cluster, QUESTIONS))) == 1

    file.write_text("{broken\n")
    assert run(settings, "ask", str(file)).code == 1


def test_review_import_leaves_out_an_answer_about_no_pair(
    settings: Settings, cluster: Cluster, topics: Topics, tmp_path: Path
) -> None:
    topics.write(rated(0))
    answers = [
        {"id": id, "fields": {}, "responses": {"rating": [{"value": 5, "user_id": "ada"}]}}
        for id in ("e0", "e-unknown")
    ]
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(answers))
    command = ("review", "import", "--for", "argilla", str(file), "--by", "ada")
    ended = run(settings, *command)
    assert ended.code == 3, ended.text
    assert "no pair has the id e-unknown" in ended.text
    assert [one.id for one in read_ratings(cluster)] == ["e0"]

    file.write_text(json.dumps(answers[1:]))
    assert run(settings, *command).code == 1


def test_undo_names_what_no_decision_is_about(
    settings: Settings, cluster: Cluster, topics: Topics
) -> None:
    topics.write(rated(0), rated(1))
    assert run(settings, "drop", "e0", "--by", "ada").code == 0
    ended = run(settings, "undo", "e0", "e1", "--by", "ada")
    assert ended.code == 3, ended.text
    assert "no decision about e1 counts" in ended.text
    assert {one.id: one.action for one in read_decisions(cluster)} == {"e0": "undo"}
    assert run(settings, "undo", "e1", "--by", "ada").code == 1


def test_replay_leaves_out_what_is_no_dead_letter(
    settings: Settings, cluster: Cluster, topics: Topics
) -> None:
    received = Received(cluster.topic(DOCUMENTS), 0, 0, b"a", b"\xff", [])
    letter = dead_letter(received, "segmenter", WireError("its text is not UTF-8"))
    with topics.producer() as producer:
        topic = cluster.topic(DEAD_LETTERS)
        producer.send(topic, letter.value, letter.key, letter.headers, partition=0)
        producer.send(topic, b"hello", b"b", partition=0)
        producer.flush()
    ended = run(settings, "dead-letters", "replay", "all")
    assert ended.code == 3, ended.text
    assert "1 sent back, 1 left out" in ended.text
    assert [one.value for one in replay(cluster, DOCUMENTS)] == [b"\xff"]
    assert run(settings, "dead-letters", "replay", "0@1").code == 1
