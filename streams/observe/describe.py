"""The topology as tables and as a Mermaid diagram, made from the tables that run it."""

from collections.abc import Mapping, Sequence

from streams.kafka.admin.wanted_topics import (
    DEFAULT_TOPICS,
    MIN_INSYNC,
    PARTITIONS,
    REPLICATION,
    Properties,
    WantedTopic,
)
from streams.kafka.cluster import Cluster
from streams.kafka.topics import TOPICS
from streams.stages.topology import RECURATOR, STAGES, StageSpec

_DAY_MS = 24 * 3600 * 1000


def as_table(
    cluster: Cluster,
    wanted: Sequence[WantedTopic] = DEFAULT_TOPICS,
    states: Mapping[str, Properties] | None = None,
    stages: Sequence[StageSpec] = STAGES,
) -> dict[str, list[dict[str, str]]]:
    """Stages and topics, a row each. Topics have their names on the cluster.

    ``stages`` are those that run, beside the one that rates again. A topic's row says what is
    wanted, and ``there`` how the topic of ``states`` differs; None where no broker was asked.
    """
    rows = [
        {
            "stage": spec.name,
            "reads": cluster.topic(spec.source),
            "writes": ", ".join(cluster.topic(topic) for topic in spec.outputs),
            "model": spec.role.value if spec.role else "none",
            "state": _state_of(spec, cluster),
        }
        for spec in (*stages, RECURATOR)
    ]
    topics = [
        {
            "topic": (name := cluster.topic(topic.topic)),
            "value": topic.topic.record.__name__ if topic.topic.record else "bytes as they came",
            "partitions": topic.properties[PARTITIONS],
            "replicas": topic.properties[REPLICATION],
            "min_insync": topic.properties.get(MIN_INSYNC, "as the broker is set"),
            "cleanup": topic.topic.cleanup,
            "kept": _kept(topic.properties),
            "there": _there(topic, name, states),
        }
        for topic in wanted
    ]
    return {"stages": rows, "topics": topics}


def _state_of(spec: StageSpec, cluster: Cluster) -> str:
    topics = (spec.decisions, spec.state)
    return ", ".join(cluster.topic(topic) for topic in topics if topic) or "none"


def _kept(properties: Properties) -> str:
    days, size = int(properties["retention.ms"]) / _DAY_MS, properties.get("retention.bytes", "-1")
    time = "no time limit" if days < 0 else f"{days:g} days"
    return time if size == "-1" else f"{time}, {int(size):,} bytes a partition"


def _there(wanted: WantedTopic, name: str, states: Mapping[str, Properties] | None) -> str:
    if states is None:
        return "no broker was asked"
    if name not in states:
        return "missing"
    found = [f"{one.name} {one.there}" for one in wanted.differences(name, states[name])]
    return ", ".join(found) or "as wanted"


def as_mermaid(cluster: Cluster, stages: Sequence[StageSpec] = STAGES) -> str:
    """A flow chart: topics, by their names on the cluster, as cylinders, and agents as boxes."""
    lines = ["flowchart LR"]
    lines += [f"  {topic.name}[({cluster.topic(topic)})]" for topic in TOPICS]
    for spec in (*stages, RECURATOR):
        lines.append(f"  {spec.source.name} --> {spec.name}[{spec.name}]")
        lines += [f"  {spec.name} --> {topic.name}" for topic in spec.outputs]
    lines += ["  curated --> trainer[trainer]", "  trainer --> releases"]
    return "\n".join(lines)
