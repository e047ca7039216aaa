"""The page's store follows the topics of a real broker, also over restarts and lost topics."""

import asyncio
import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import pytest
from kafka.admin import KafkaAdminClient

from schemas.records import Document, Rejection
from schemas.release import Release, ReleaseStatus
from streams.kafka.admin.creation import create_topics
from streams.kafka.topics import RELEASES, SCORED
from streams.observe.lag import StageLag
from streams.observe.missing_workers import missing_workers
from streams.page.store.filters import Filter, Verdict
from streams.page.store.follower import Follower
from streams.page.store.passage_finder import PassageFinder
from streams.page.store.refused_passages import refused_passages
from streams.page.store.refused_reader import RefusedReader
from streams.page.store.store import Store
from streams.page.store.stream_views import EdgeKind
from streams.page.web.acting import KafkaActions
from streams.settings import Settings
from streams.stages.making import segmenter_of
from tests.integration.conftest import passage
from tests.integration.topics import Topics
from tests.integration.waiting import wait_until
from tests.unit.streams.page.served import Served, serving
from tests.unit.streams.page.topics import candidate, example, scored, segment


def test_the_store_follows_the_topics(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = settings.kafka.cluster()
    topics, file = Topics(cluster), tmp_path / "page.sqlite"
    refusal = candidate("e2").refuse("curator", "low_rating", release="r1")
    topics.write(segment(), candidate(), scored("e1"), scored("e2"), example(scored("e1")), refusal)
    with topics.producer() as producer:
        producer.send(cluster.topic(SCORED), b"\xc1", b"poison")
        producer.flush()

    def missing(stages: Sequence[StageLag], workers: Mapping[str, int]) -> Iterable[str]:
        return missing_workers(stages, workers, "--broker kafka:9092", {})

    with Store(file) as store, Follower(cluster, store, missing=missing):
        wait_until(lambda: store.items().total == 2 and store.reading().caught_up)
        assert [one.id for one in store.items(Filter(verdict=Verdict.ACCEPTED)).items] == ["e1"]
        assert store.reading().unreadable == 1
        wait_until(lambda: store.flow() is not None)
        flow = store.flow()
        assert flow is not None
        edges = {(edge.source, edge.target): edge for edge in flow.edges}
        assert (edges["scored", "curator"].lag, edges["scored", "curator"].count) == (3, 0)
        [line] = flow.in_the_way
        assert line.startswith("no worker runs: start `backstream up`")
        refused = edges["curator", "rejected"]
        assert (refused.kind, refused.count) == (EdgeKind.REFUSES, 1)
        before = store.version
        topics.write(scored("e3"))
        wait_until(lambda: store.items().total == 3)
        assert store.version > before

    # What is deleted from the topic after it was read stays; what follows is read once.
    topics.cut(SCORED, 4)
    topics.write(scored("e4"))
    announced = Release(
        id="r1",
        parent=None,
        base="base",
        status=ReleaseStatus.IN_SERVICE,
        location="/r",
        created_at=1.0,
    )
    topics.write(announced)
    with Store(file) as store, Follower(cluster, store):
        wait_until(lambda: store.items().total == 4 and store.releases()[0].deployed)
        assert store.reading().read == 2

    # A topic that was made anew under the same name holds other messages.
    admin = KafkaAdminClient(**cluster.client)
    admin.delete_topics([cluster.topic(SCORED), cluster.topic(RELEASES)])
    admin.close()
    create_topics(cluster)
    topics.write(scored("e5"))
    with caplog.at_level(logging.WARNING), Store(file) as store, Follower(cluster, store):
        wait_until(lambda: {"e5"} <= {one.id for one in store.items().items})
        wait_until(lambda: store.reading().caught_up)
        assert {one.id for one in store.items().items} == {"e1", "e2", "e5"}
    assert "it starts again" in caplog.text


def test_what_the_segmenter_refused_is_found_in_the_document(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    text = f"# Guide\n\nToo short.\n\n# Notes\n\n{passage(1)}"
    document = Document(id="d1", source="guide.md", text=text, media_type="text/markdown")
    refused = [
        found
        for found in asyncio.run(segmenter_of(settings).handle(document))
        if isinstance(found, Rejection)
    ]
    assert refused
    Topics(cluster).write(document, *refused)
    with Store() as store, Follower(cluster, store):
        wait_until(lambda: store.reading().caught_up and store.items().total == len(refused))
        item = store.items().items[0]
        details = store.item(item.id)
        assert details is not None
        assert details.document is not None
        with serving(store, KafkaActions(cluster, 4.0), PassageFinder(settings)) as server:
            short = next(one for one in refused if one.reason == "too_short")
            for _ in range(2):  # the second time it is remembered
                shown = Served(server).get("/item/passages?" + urlencode({"id": short.id})).text
                assert "Too short." in shown
                assert "Guide</bdi> ›" in shown
    found = refused_passages(settings, details.document)
    assert {one.id for one in found} == {one.id for one in refused}
    assert "Too short." in [one.text for one in found]
    assert [one.headings for one in found if one.text == "Too short."] == [("Guide",)]
    gone = dataclasses.replace(details.document, offset=99)
    assert refused_passages(settings, gone) == ()


def test_what_the_segmenter_refused_is_searched_once_its_document_was_read_again(
    settings: Settings,
) -> None:
    cluster = settings.kafka.cluster()
    kept = [passage(number) for number in (1, 2)]
    texts = [
        f"# Guide\n\n{word} is too short.\n\n# Notes\n\n{text}"
        for word, text in zip(("Aardvark", "Badger"), kept, strict=True)
    ]
    documents = [
        Document(id=f"d{at}", source="guide.md", text=text, media_type="text/markdown")
        for at, text in enumerate(texts)
    ]
    gone = Document(id="gone", source="gone.md", text="Nothing.")
    refused = [
        found
        for document in documents
        for found in asyncio.run(segmenter_of(settings).handle(document))
        if isinstance(found, Rejection)
    ]
    other = Rejection(id="x", stage="segmenter", reason="leans", document_id="gone", segment_id="x")
    Topics(cluster).write(*documents, gone, *refused, other)
    with Store() as store, Follower(cluster, store), RefusedReader(settings, store):
        everything = len(refused) + 1
        wait_until(lambda: store.items().total == everything and not store.documents_to_cut(9))
        assert store.items(Filter(text="badger")).total == 1
        [found] = store.items(Filter(text="aardvark too short")).items
        assert (found.reason, found.response) == ("too_short", "Aardvark is too short.")
        # The document of the other one has no such passage: it is counted as not searched.
        assert store.unsearched(Filter(text="badger")) == 1
        assert store.unsearched(Filter(text="badger", source="guide")) == 0
        assert store.unsearched(Filter()) == 0


def test_topics_that_nothing_has_created_are_waited_for(settings: Settings) -> None:
    cluster = dataclasses.replace(settings.kafka.cluster(), topic_prefix="page-of-none.")
    with Store() as store, Follower(cluster, store):
        wait_until(lambda: store.reading().caught_up and store.flow() is not None)
        assert store.items().total == 0
        create_topics(cluster)
        Topics(cluster).write(scored())
        wait_until(lambda: store.items().total == 1)
