"""What ``status`` says is in the way of a stream, from a real broker."""

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import OffsetAndMetadata

from schemas.records import Question
from streams.cli.status_reader import StatusReader
from streams.kafka.topics import CURATED, DOCUMENTS
from streams.settings import Settings
from tests.integration.topics import Topics


def test_records_that_no_stage_takes_are_named(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    topics = Topics(cluster)
    topics.write(*(Question(id=f"q{n}", source="s", instruction="Why?") for n in range(3)))
    servers = cluster.address

    def member(stage: str) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=servers,
            group_id=cluster.consumer_group(stage),
            enable_auto_commit=False,
        )

    rewriter = member("rewriter")
    place = TopicPartition(cluster.topic(CURATED), 0)
    rewriter.assign([place])
    rewriter.commit({place: OffsetAndMetadata(0, "", -1)})
    foreign = TopicPartition(f"foreign-{cluster.topic(CURATED)}", 0)
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        admin.create_topics([NewTopic(foreign.topic, 1, 1)])
    with topics.producer() as producer:
        producer.send(foreign.topic, b"1").get(60)
    rewriter.commit({foreign: OffsetAndMetadata(0, "", -1)})
    rewriter.close()
    plugged, segmenter = member("shouter"), member("segmenter")
    try:
        for one in (plugged, segmenter):
            one.subscribe([cluster.topic(DOCUMENTS)])
            while not one.assignment():
                one.poll(200)
        with StatusReader(settings, None) as reader:
            found = reader.read().in_the_way
    finally:
        plugged.close()
        segmenter.close()
    questions = f"3 messages wait on {cluster.topic_prefix}questions: no worker runs the answerer"
    assert any(line.startswith(questions) for line in found), found
    assert any("1 worker runs the stage shouter, which is not shown" in line for line in found)
    assert not any("rewriter" in line for line in found), "nothing of the stream waits for it"
