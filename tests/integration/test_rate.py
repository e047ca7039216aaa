"""``backstream rate`` against a real Kafka.

Each answer is on the topic before the next pair is shown.
"""

import os

import pytest
from kafka import KafkaProducer

from schemas.records import Candidate, HumanRating, Provenance, Rating, Scored
from schemas.wire import encode, headers_for
from streams.data.decisions import read_decisions
from streams.data.ratings import open_ratings, pairs_to_rate, read_ratings
from streams.kafka.cluster import Cluster
from streams.kafka.topics import SCORED
from tests.integration.test_cli import run


def scored(id: str, score: float, term: int = 0) -> Scored:
    candidate = Candidate(id=id, instruction=f"Why {id}?", response="So.", provenance=Provenance())
    rating = Rating(
        score=score, probabilities=(0, 0, 0, 0, 1), release="r", template="t", term=term
    )
    return Scored(candidate=candidate, rating=rating)


@pytest.fixture
def cluster(settings) -> Cluster:
    """The topics, with ten pairs over the whole scale on ``scored``."""
    cluster = settings.kafka.cluster()
    send(cluster, *(scored(f"{number}", 1 + number * 4 / 9) for number in range(10)))
    return cluster


def send(cluster: Cluster, *pairs: Scored) -> None:
    producer = KafkaProducer(**cluster.client, acks="all")
    for pair in pairs:
        topic, value = cluster.topic(SCORED), encode(pair)
        producer.send(topic, value, pair.id.encode(), headers=headers_for(Scored))
    producer.close()


def test_pairs_are_rated_over_the_whole_scale_and_never_twice(settings, cluster):
    broker = ["--broker", settings.kafka.bootstrap_servers]
    first = pairs_to_rate(cluster, 5)
    assert sorted(min(4, int((pair.rating.score - 1) / 4 * 5)) for pair in first) == [0, 1, 2, 3, 4]

    done = run(
        "rate", "-n", "5", "--by", "ada", *broker, input="1\n2\nu\n3\ns\n5\n"
    )  # the input ends before the pairs
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Why ") == 7 + 3, (
        "five pairs, two of them twice, and three in the report"
    )
    ratings = read_ratings(cluster)
    expected = [(first[0].id, 1), (first[1].id, 3), (first[3].id, 5)]
    assert sorted((rating.id, rating.score) for rating in ratings) == sorted(expected)
    assert {rating.rater for rating in ratings} == {"ada"}
    assert "3 pairs rated" in done.stdout
    assert (
        "2 pairs below the threshold of 4 are dropped and 1 pair at or above it is accepted"
        in done.stdout
    )
    decided = {one.id: (one.action, one.by, one.ruling.note) for one in read_decisions(cluster)}
    assert decided == {
        first[0].id: ("drop", "ada", "rated 1"),
        first[1].id: ("drop", "ada", "rated 3"),
        first[3].id: ("accept", "ada", "rated 5"),
    }

    left = pairs_to_rate(cluster, 100)
    assert {pair.id for pair in left} == {f"{number}" for number in range(10)} - {
        id for id, _ in expected
    }
    named = {**os.environ, "BACKSTREAM_RATER": "bob"}
    done = run("rate", *broker, input="4\n" * 20, env=named)
    assert done.returncode == 0, done.stderr
    assert [rating.rater for rating in read_ratings(cluster)].count("bob") == 7
    done = run("rate", *broker, input="4\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing to rate" in done.stderr


def test_the_newest_rating_of_an_example_counts_and_one_taken_back_does_not(cluster):
    rating = HumanRating(id="0", instruction="Why?", response="So.", score=2)
    with open_ratings(cluster) as ratings:
        ratings.write(rating)
        assert read_ratings(cluster) == [rating]
        ratings.write(rating.model_copy(update={"score": 4, "rater": "ada"}))
        ratings.write(rating.model_copy(update={"id": "1"}))
        ratings.take_back("1")
    assert [(each.id, each.score, each.rater) for each in read_ratings(cluster)] == [
        ("0", 4, "ada")
    ]


def test_the_rating_of_the_later_term_decides_where_a_pair_stands(cluster):
    send(cluster, scored("0", 5.0, term=2), scored("0", 3.0, term=1))
    (shown,) = (pair for pair in pairs_to_rate(cluster, 100) if pair.id == "0")
    assert (shown.rating.score, shown.rating.term) == (5.0, 2)
