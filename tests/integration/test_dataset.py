"""The curated set for a downstream user: a snapshot, changes, and a dataset that resumes."""

import pickle
from collections.abc import Iterable
from itertools import islice

import pytest
from kafka import KafkaProducer

from schemas.errors import BrokerError
from schemas.records import Example, ExampleOrigin, Rating
from schemas.wire import encode, headers_for
from streams.data.dataset import changes, connect, follow, iterable_dataset, partitions, snapshot
from streams.data.exports import Shape, columns, row
from streams.data.feed import seed
from streams.kafka.cluster import Cluster
from streams.kafka.topics import CURATED


def example(id: str, score: float = 4.0) -> Example:
    rating = Rating(score=score, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
    return Example(
        id=id,
        instruction=f"Why {id}?",
        response="So.",
        origin=ExampleOrigin.AUGMENTED,
        rating=rating,
    )


def rating_of(example: Example) -> Rating:
    assert example.rating is not None
    return example.rating


@pytest.fixture
def cluster(settings) -> Cluster:
    return connect(settings.kafka.bootstrap_servers, topic_prefix=settings.kafka.topic_prefix)


def send(cluster: Cluster, *messages: tuple[str, bytes | None]) -> None:
    producer = KafkaProducer(**cluster.client, acks="all")
    for key, value in messages:
        headers = headers_for(Example) if value else []
        producer.send(cluster.topic(CURATED), value, key.encode(), headers=headers)
    producer.close()


def retract(cluster: Cluster, id: str) -> None:
    send(cluster, (id, None))


def told(rows: Iterable[dict[str, object]]) -> list[tuple[object, object]]:
    return [(each["id"], each["score"]) for each in rows]


def test_the_newest_value_counts_and_a_retraction_takes_back(cluster):
    seed(cluster, [example("a"), example("b"), example("c")])
    seed(cluster, [example("a", 5.0)])
    retract(cluster, "b")
    send(cluster, ("c", b"no example"))
    assert snapshot(cluster) == [example("a", 5.0), example("c")]

    seen = list(islice(follow(cluster), 4))
    assert [(each.id, rating_of(each).score) for each in seen] == [
        ("a", 4.0),
        ("b", 4.0),
        ("c", 4.0),
        ("a", 5.0),
    ]
    shown = list(islice(changes(cluster, {}), 5))
    assert [(change.id, change.example is None) for change in shown][-2:] == [
        ("a", False),
        ("b", True),
    ]
    assert [change.offset for change in islice(changes(cluster, {0: 3}), 2)] == [3, 4]


def test_only_what_is_new_comes_where_asked(cluster):
    seed(cluster, [example("a")])
    polled: list[None] = []

    def stop() -> bool:
        if len(polled) == 3:  # it has found the end by now
            seed(cluster, [example("b")])
        polled.append(None)
        return len(polled) > 30

    assert next(follow(cluster, from_beginning=False, stop=stop)).id == "b"


@pytest.mark.parametrize("shape", Shape)
def test_a_hugging_face_dataset_of_the_set_has_each_id_once(cluster, shape):
    seed(cluster, [example("a"), example("b"), example("a", 5.0), example("c")])
    retract(cluster, "c")
    dataset = iterable_dataset(cluster, shape)
    assert list(dataset.features) == columns(shape).names
    assert list(dataset) == [row(example("b"), shape), row(example("a", 5.0), shape)]
    seed(cluster, [example("d")])
    dataset.set_epoch(1)
    assert len(list(dataset)) == 3, "each epoch sees the set of its beginning"


def test_a_hugging_face_dataset_resumes_after_what_it_gave(cluster):
    seed(cluster, [example("a"), example("b"), example("c")])
    dataset = iterable_dataset(cluster)
    assert told(islice(dataset, 2)) == [("a", 4.0), ("b", 4.0)]
    state = dataset.state_dict()

    seed(cluster, [example("b", 2.0)])
    resumed = iterable_dataset(cluster)
    resumed.load_state_dict(state)
    assert told(resumed) == [("c", 4.0), ("b", 2.0)], (
        "what changed meanwhile comes again, nothing is passed over"
    )


def test_a_following_dataset_goes_on_with_the_next_message(cluster):
    seed(cluster, [example("a"), example("a", 5.0)])
    retract(cluster, "a")
    dataset = pickle.loads(
        pickle.dumps(iterable_dataset(cluster, follow=True))
    )  # as a worker of a data loader gets it
    assert told(islice(dataset, 2)) == [("a", 4.0), ("a", 5.0)]
    state = dataset.state_dict()
    resumed = iterable_dataset(cluster, follow=True)
    resumed.load_state_dict(state)
    rows = iter(resumed)
    seed(cluster, [example("b")])
    assert told(islice(rows, 1)) == [("b", 4.0)]
    assert resumed.state_dict()["examples_iterable"]["next"] == [4]


def test_the_library_around_it_works(cluster):
    from torch.utils.data import DataLoader

    seed(cluster, [example(f"{number}") for number in range(5)])
    dataset = iterable_dataset(cluster).map(lambda each: {"length": len(each["instruction"])})
    assert [each["length"] for each in dataset.shuffle(seed=1, buffer_size=2).take(2)] == [6, 6]
    assert (
        sum(
            len(batch["id"])
            for batch in DataLoader(dataset.select_columns(["id", "length"]), batch_size=2)
        )
        == 5
    )


def test_a_missing_topic_or_broker_is_an_error(broker):
    cluster = connect(broker.address)
    for read in (
        lambda: next(follow(cluster)),
        lambda: partitions(cluster),
        lambda: iterable_dataset(cluster),
    ):
        with pytest.raises(BrokerError, match="no topic curated"):
            read()
    nowhere = connect("127.0.0.1:1")
    for read in (lambda: next(changes(nowhere)), lambda: iterable_dataset(nowhere)):
        with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
            read()


def test_an_example_is_read_from_a_value_of_this_version_alone(cluster):
    producer = KafkaProducer(**cluster.client, acks="all")
    producer.send(
        cluster.topic(CURATED), encode(example("a")), b"a", headers=[("schema", b"example/2")]
    )
    producer.close()
    assert snapshot(cluster) == []
