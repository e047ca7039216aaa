"""Rounds of a comparison between a stream and its engine alone."""

from collections.abc import Iterator

from streams.kafka.admin.creation import create_topics
from streams.settings import Settings


def in_turns(settings: Settings, rounds: int) -> Iterator[Settings]:
    """For each round, settings with topics and consumer groups of its own, which are created."""
    for number in range(rounds):
        kafka = settings.kafka.model_copy(
            update={"topic_prefix": f"round{number}.", "group": f"round{number}"}
        )
        create_topics(kafka.cluster())
        yield settings.model_copy(update={"kafka": kafka})
