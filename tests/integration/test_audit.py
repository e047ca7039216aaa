"""The audit against topics that were cut, aborted, answered for twice, or not at all."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from schemas.records import Candidate, Document, Provenance, Rejection, Segment
from schemas.wire import encode, headers_for
from streams.cli.main import app
from streams.kafka.messages import Received
from streams.kafka.topics import (
    CANDIDATES,
    DEAD_LETTERS,
    DOCUMENTS,
    REJECTED,
    SEGMENTS,
)
from streams.kafka.writing.dead_letters import dead_letter
from streams.observe.audit import Audit, audit
from streams.observe.lag import FlowReader
from streams.stages.harness.deleted_unread import DeletedUnread
from tests.integration.topics import Topics


def _audit(topics: Topics) -> Audit:
    with FlowReader(topics.cluster) as reader:
        return audit(topics.cluster, reader.committed())


def _command(topics: Topics, *arguments: str) -> Result:
    # The prefix of the test's topics is in its environment.
    return CliRunner().invoke(app, [*arguments, "--broker", topics.cluster.address])


def _document(number: int) -> Document:
    return Document(id=f"d{number}", source="s", text="A text.")


def _segment(number: int) -> Segment:
    return Segment(id=f"s{number}", document_id=f"d{number}", source="s", position=0, text="T.")


def _refusal(number: int) -> Rejection:
    return Rejection(id=f"d{number}", stage="segmenter", reason="no_passage")


def _candidate(number: int) -> Candidate:
    made_from = Provenance(document_id=f"d{number}", segment_id=f"s{number}")
    return Candidate(id=f"e{number}", instruction="Why?", response="T.", provenance=made_from)


def test_documents_that_were_deleted_unread_are_lost(topics: Topics) -> None:
    topics.write(*map(_document, range(10)), *map(_refusal, range(4)))
    topics.commit("segmenter", DOCUMENTS, 4)
    topics.cut(DOCUMENTS, 2)
    account = _audit(topics)
    assert account.complete, "what is deleted was processed"
    assert (account.stages[0].expired, account.stages[0].rejected) == (2, 2)

    topics.cut(DOCUMENTS, 7)
    account = _audit(topics)
    assert not account.complete
    place = topics.cluster.topic(DOCUMENTS)
    assert account.deleted_unread == (DeletedUnread("segmenter", place, 0, first=4, count=3),)
    assert account.stages[0].in_flight == 3
    printed = _command(topics, "audit")
    assert printed.exit_code == 1
    assert f"lost: 3 messages of {place}/0, from offset 4 on, deleted" in printed.stdout
    assert printed.stdout.endswith(
        "LOST: 0 ids, and 3 messages deleted unread; not proved: 4 messages that were processed "
        "and then deleted\n"
    )
    report = json.loads(_command(topics, "audit", "--json").stdout)
    assert report["deleted_unread"] == [
        {"stage": "segmenter", "topic": place, "partition": 0, "first": 4, "count": 3}
    ]
    shown = _command(topics, "status")
    assert f"lost: 3 messages of {place}/0 deleted by its retention" in shown.stdout
    status = json.loads(_command(topics, "status", "--json").stdout)
    assert status["stages"][0]["deleted_unread"] == {"0": 3}


def test_documents_that_were_deleted_before_anything_was_read_are_lost(topics: Topics) -> None:
    topics.write(*map(_document, range(3)))
    topics.cut(DOCUMENTS, 3)
    assert [one.count for one in _audit(topics).deleted_unread] == [3]


def test_a_loss_that_a_stage_wrote_down_is_counted_once(topics: Topics) -> None:
    place = topics.cluster.topic(DOCUMENTS)
    topics.write(*map(_document, range(10)))
    topics.cut(DOCUMENTS, 8)
    topics.write(
        DeletedUnread("segmenter", place, 0, 5, 3).rejection(),
        DeletedUnread("segmenter", place, 0, 0, 8).rejection(),
        Rejection(id="no position", stage="segmenter", reason="deleted_unread"),
        Rejection(id="other.documents/0@0", stage="segmenter", reason="deleted_unread"),
    )
    account = _audit(topics)
    assert account.deleted_unread == (DeletedUnread("segmenter", place, 0, 0, 8),)
    assert account.unreadable.counts == {topics.cluster.topic(REJECTED): 2}
    topics.commit("segmenter", DOCUMENTS, 10)
    assert _audit(topics).deleted_unread == account.deleted_unread, "it stays known"


def test_an_outcome_that_was_deleted_is_proved_by_what_came_of_it_or_not_at_all(
    topics: Topics,
) -> None:
    topics.write(*map(_document, range(3)), age_days=6)
    topics.write(*map(_segment, range(3)), age_days=6)
    topics.write(_candidate(0), age_days=6)
    topics.write(_document(3), _document(4), age_days=1)
    topics.write(_segment(3), age_days=2)  # what is left of the outcomes begins here
    topics.commit("segmenter", DOCUMENTS, 5)
    topics.commit("backward", SEGMENTS, 4)
    topics.cut(SEGMENTS, 3)
    segmenter = _audit(topics).stages[0]
    assert segmenter.followed == 2, "one by its segment and one by a candidate of its segment"
    assert segmenter.unproved == ("d1", "d2")
    assert segmenter.lost == ("d4",), "its outcome would be there still"
    assert "3 ids whose" not in _command(topics, "audit").stdout

    topics.cut(SEGMENTS, 4)
    account = _audit(topics)
    assert account.stages[0].unproved == ("d1", "d2", "d3", "d4"), "nothing is left of segments"
    assert account.complete
    printed = _command(topics, "audit")
    assert printed.exit_code == 0
    assert "unproved: d1" in printed.stdout
    assert printed.stdout.endswith(
        "not proved: 4 ids whose outcome retention may have deleted and 4 messages that were "
        "processed and then deleted\n"
    )


def test_a_lost_id_is_named_and_the_exit_code_is_1(topics: Topics) -> None:
    topics.write(*map(_document, range(30)), _segment(0))
    topics.commit("segmenter", DOCUMENTS, 29)
    printed = _command(topics, "audit")
    assert printed.exit_code == 1
    assert "30 ids = 1 passed on + 0 refused + 0 dead + 1 in flight + 28 lost" in printed.stdout
    assert printed.stdout.count("  lost: d") == 20
    assert "and 8 more" in printed.stdout
    report = json.loads(_command(topics, "audit", "--json").stdout)
    assert (report["complete"], len(report["stages"][0]["lost"])) == (False, 28)


def test_aborted_documents_do_not_count_and_open_ones_are_in_flight(topics: Topics) -> None:
    options: dict[str, Any] = {"enable_idempotence": True}
    with topics.producer(transactional_id=f"{topics.cluster.topic_prefix}t", **options) as producer:
        producer.init_transactions()
        for number, end in ((0, producer.commit_transaction), (1, producer.abort_transaction)):
            producer.begin_transaction()
            topics.send(producer, _document(number)).get(timeout=90)
            end()
        topics.write(_refusal(0))
        topics.commit("segmenter", DOCUMENTS, 4)  # two messages, each with a marker
        account = _audit(topics)
        assert (account.stages[0].ids, account.stages[0].rejected) == (1, 1)
        assert account.complete

        producer.begin_transaction()
        topics.send(producer, _document(2)).get(timeout=90)
        topics.write(_document(3))
        account = _audit(topics)
        assert account.complete
        assert account.stages[0].ids == 1, "what follows an open transaction cannot be read yet"
        producer.commit_transaction()
    segmenter = _audit(topics).stages[0]
    assert (segmenter.ids, segmenter.in_flight) == (3, 2)


def test_two_letters_about_one_message_are_one(topics: Topics) -> None:
    place = topics.place(DOCUMENTS)
    topics.write(_document(0))
    topics.commit("segmenter", DOCUMENTS, 1)
    source = Received(place.topic, 0, 0, b"d0", encode(_document(0)), headers_for(Document))
    letter = dead_letter(source, "segmenter", ValueError("bad"))
    with topics.producer() as producer:
        for _ in range(2):
            producer.send(
                topics.cluster.topic(DEAD_LETTERS),
                letter.value,
                letter.key,
                headers=[*letter.headers],
            )
    segmenter = _audit(topics).stages[0]
    assert (segmenter.ids, segmenter.dead) == (1, 1)
    assert len(_command(topics, "dead-letters", "list").stdout.splitlines()) == 1
    sent = _command(topics, "dead-letters", "replay", "all")
    assert (sent.exit_code, sent.stdout) == (0, "1 sent back\n")


def test_a_letter_of_another_stage_answers_for_nothing(topics: Topics) -> None:
    place = topics.place(CANDIDATES)
    topics.write(_candidate(0))
    topics.commit("scorer", CANDIDATES, 1)
    source = Received(place.topic, 0, 0, b"e0", b"", ())
    with topics.producer() as producer:
        for stage in ("recurator", "segmenter"):
            letter = dead_letter(source, stage, ValueError("bad"))
            producer.send(
                topics.cluster.topic(DEAD_LETTERS),
                letter.value,
                letter.key,
                headers=[*letter.headers],
            )
    account = _audit(topics)
    [scorer] = [stage for stage in account.stages if stage.stage == "scorer"]
    assert scorer.lost == ("e0",)
    assert account.unreadable.total == 1, "the segmenter does not read candidates"


def test_what_cannot_be_read_is_listed_and_the_exit_code_is_0(topics: Topics) -> None:
    with topics.producer() as producer:
        for _ in range(25):
            producer.send(topics.cluster.topic(REJECTED), b"\x1b[2J not ours")
    printed = _command(topics, "audit")
    assert printed.exit_code == 0
    assert "25 messages cannot be read, and prove nothing:" in printed.stdout
    assert printed.stdout.count(f"  {topics.cluster.topic(REJECTED)}/0@") == 20
    assert "\x1b" not in printed.stdout
    found = json.loads(_command(topics, "audit", "--json").stdout)["unreadable"]
    assert (found["total"], len(found["messages"])) == (25, 25)
    assert found["messages"][3].keys() == {"topic", "partition", "offset", "reason"}
