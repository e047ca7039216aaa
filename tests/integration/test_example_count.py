"""Examples on ``curated`` are counted, not messages."""

from schemas.records import Example, ExampleOrigin
from schemas.wire import JSON, encode
from streams.kafka.topics import CURATED
from streams.observe.example_count import ExampleCount
from streams.settings import Settings
from tests.integration.topics import Topics


def _example(id: str, instruction: str = "Why?") -> Example:
    return Example(id=id, instruction=instruction, response="So.", origin=ExampleOrigin.AUGMENTED)


def test_an_id_counts_once_until_it_is_retracted(settings: Settings) -> None:
    topics = Topics(settings.kafka.cluster())
    with ExampleCount(topics.cluster) as count:
        assert (count.read(10), count.complete) == (0, True)
        topics.write(_example("a"), _example("b"), _example("a", "Why not?"))
        assert (count.read(10), count.complete) == (2, True)
        with topics.producer() as producer:
            producer.send(topics.cluster.topic(CURATED), None, b"a", partition=0)
        assert (count.read(10), count.complete) == (1, True)
        assert (count.read(0), count.complete) == (1, True)
        with topics.producer() as producer:
            producer.send(topics.cluster.topic(CURATED), b"\xff\xfe", b"foreign", partition=0)
            written = encode(_example("json"), JSON)
            producer.send(topics.cluster.topic(CURATED), written, b"json", partition=0)
        assert (count.read(10), count.complete) == (1, True), "neither can be read"
    with ExampleCount(topics.cluster) as other:
        assert (other.read(0), other.complete) == (0, False), "there was no time to read"
        assert other.read(10) == 1
