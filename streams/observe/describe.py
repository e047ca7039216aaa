"""The topology as tables and as a Mermaid diagram, made from the tables that run it."""

from streams.kafka.cluster import Cluster
from streams.kafka.topics import TOPICS
from streams.stages.topology import EVERY_STAGE


def as_table(cluster: Cluster) -> dict[str, list[dict[str, str]]]:
    """Stages and topics, a row each. Topics have their names on the cluster."""
    stages = [
        {
            "stage": spec.name,
            "reads": cluster.topic(spec.source),
            "writes": ", ".join(cluster.topic(topic) for topic in spec.outputs),
            "model": spec.role.value if spec.role else "none",
            "state": cluster.topic(spec.state) if spec.state else "none",
        }
        for spec in EVERY_STAGE
    ]
    topics = [
        {
            "topic": cluster.topic(topic),
            "value": topic.record.__name__ if topic.record else "bytes as they came",
            "partitions": str(topic.partitions),
            "cleanup": topic.cleanup,
            "kept": "no time limit"
            if topic.cleanup == "compact"
            else f"{topic.retention_days:g} days",
        }
        for topic in TOPICS
    ]
    return {"stages": stages, "topics": topics}


def as_mermaid(cluster: Cluster) -> str:
    """A flow chart: topics, by their names on the cluster, as cylinders, and agents as boxes."""
    lines = ["flowchart LR"]
    lines += [f"  {topic.name}[({cluster.topic(topic)})]" for topic in TOPICS]
    for spec in EVERY_STAGE:
        lines.append(f"  {spec.source.name} --> {spec.name}[{spec.name}]")
        lines += [f"  {spec.name} --> {topic.name}" for topic in spec.outputs]
    lines += ["  curated --> trainer[trainer]", "  trainer --> releases"]
    return "\n".join(lines)
