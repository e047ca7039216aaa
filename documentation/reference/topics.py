"""The topics and the stages that read and write them, from the tables that run the stream."""

from collections.abc import Iterable

from documentation.reference.markdown import GENERATED, code, table
from documentation.reference.records import anchor
from streams.kafka.topics import TOPICS, Topic
from streams.stages.topology import RECURATOR, STAGES

_INTRODUCTION = """\
# Topics and stages

The names have no prefix here; with `kafka.topic_prefix`, each starts with it. `backstream describe`
prints the same for the settings that it is given, beside what a broker has.
[The wire](../wire.md) says what keys, headers and values are.

"""


def page() -> str:
    """The page of topics and stages."""
    return (
        GENERATED
        + _INTRODUCTION
        + table(
            ("topic", "record", "partitions", "cleanup", "kept", "time set by", "read by"),
            map(_row, TOPICS),
        )
        + "\nStages that other settings start, generators of other packages, and the commands that"
        "\nwrite or read a topic are in [the wire](../wire.md#topics).\n"
        + "\n## Stages\n\n"
        + table(
            ("stage", "reads", "writes", "model's role", "state"),
            (
                (
                    code(spec.name),
                    code(spec.source.name),
                    _names(spec.outputs),
                    spec.role.value if spec.role else "none",
                    code(spec.state.name) if spec.state else "none",
                )
                for spec in (*STAGES, RECURATOR)
            ),
        )
    )


def _row(topic: Topic) -> tuple[str, ...]:
    record = topic.record
    return (
        code(topic.name),
        f"[{record.__name__}](records.md#{anchor(record)})" if record else "the original bytes",
        str(topic.partitions),
        topic.cleanup,
        "no time limit" if topic.cleanup == "compact" else f"{topic.retention_days:g} days",
        "the broker" if topic.timed_by_broker else "the writer",
        ", ".join(code(spec.name) for spec in (*STAGES, RECURATOR) if spec.source is topic),
    )


def _names(topics: Iterable[Topic]) -> str:
    return ", ".join(code(topic.name) for topic in topics)
