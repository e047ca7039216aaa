"""One document from a foreign producer becomes an example, and the example a release."""

from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer

from models.releases.release import read_manifest
from schemas.ids import document_id, segment_id
from streams.data.dataset import snapshot
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.releases.announcements import read_releases
from streams.releases.store import release_store
from streams.run.processes import run_trainer
from tests.integration.conftest import passage, wait_until_idle


def test_one_document_becomes_an_example_and_the_example_a_release(
    settings, start_worker, house, monkeypatch
):
    # A producer without our wire format writes plain text.
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    text = passage(3)
    headers = [("content-type", b"text/plain; charset=utf-8"), ("source", b"notes/three.txt")]
    topic = f"{settings.kafka.topic_prefix}documents"
    sent = producer.send(topic, text.encode(), headers=headers).get(timeout=90)
    producer.close()

    # A worker takes it through segmenter, backward, scorer and curator.
    worker = start_worker()
    ready = worker.wait_until_ready()
    assert ready["release"] == read_manifest(house).id
    wait_until_idle(settings, 1)

    # Every id is accounted for.
    cluster = settings.kafka.cluster()
    with FlowReader(cluster) as reader:
        account = audit(cluster, reader.committed())
    assert account.complete
    assert [stage.ids for stage in account.stages][:2] == [1, 1]

    # The example names its source, to the offset, and the release that made it.
    examples = snapshot(cluster)
    refused = dict(account.rejections)
    assert len(examples) == 1, refused
    (example,) = examples
    origin, at, rating = example.provenance, example.provenance.document_at, example.rating
    assert at is not None
    assert rating is not None
    body = text.split("\n\n", 1)[1].strip()
    assert origin.document_id == document_id("notes/three.txt", text)
    assert (at.topic, at.partition, at.offset) == (topic, sent.partition, sent.offset)
    assert origin.headings == ("The history of a queue",)
    assert origin.segment_id == segment_id(example.response)
    assert " ".join(example.response.split()) == " ".join(body.split())
    assert origin.release == rating.release == ready["release"]
    assert origin.template == "backward.markers.1"
    assert rating.template == "rating.markers.1"

    # The trainer makes a release of it, from the base, on the seeds and this example.
    events: list[Mapping[str, Any]] = []
    quick = settings.model_copy(
        update={"training": settings.training.model_copy(update={"max_tokens": 4000})}
    )
    run_trainer(quick, house, events.append, once=True, signals=())
    assert [e["event"] for e in events if e["event"] in ("training", "released", "announced")] == [
        "training",
        "released",
        "announced",
    ]
    (release,) = read_releases(cluster)
    assert release.base == release.parent == ready["release"]
    assert release.examples == 1
    assert release.metrics.keys() == release.parent_metrics.keys()
    assert release_store(settings).verify(release).manifest.id == release.id

    # If the release is deployed, the worker loads it by itself.
    if release.status == "in_service":
        assert worker.wait_until_ready()["release"] == release.id

    # Nothing is left to train on.
    events.clear()
    run_trainer(quick, house, events.append, once=True, signals=())
    assert events == []
    assert worker.terminate() == 0, worker.describe()
