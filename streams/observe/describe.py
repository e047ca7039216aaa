"""The topology as tables and as a Mermaid diagram, read off the same tables that run it."""

from streams.kafka.topics import TOPICS
from streams.stages.topology import EVERY_STAGE


def as_table() -> dict[str, list[dict[str, str]]]:
    """Stages and topics, a row each."""
    stages = [
        {
            "stage": spec.name,
            "reads": spec.source.name,
            "writes": ", ".join(topic.name for topic in spec.outputs),
            "model": spec.role.value if spec.role else "none",
            "state": spec.state.name if spec.state else "none",
        }
        for spec in EVERY_STAGE
    ]
    topics = [
        {
            "topic": topic.name,
            "value": topic.record.__name__ if topic.record else "bytes as they came",
            "partitions": str(topic.partitions),
            "cleanup": topic.cleanup,
            "kept": "for ever" if topic.cleanup == "compact" else f"{topic.retention_days:g} days",
        }
        for topic in TOPICS
    ]
    return {"stages": stages, "topics": topics}


def as_mermaid() -> str:
    """A flow chart: topics as cylinders, agents as boxes."""
    lines = ["flowchart LR"]
    lines += [f"  {topic.name}[({topic.name})]" for topic in TOPICS]
    for spec in EVERY_STAGE:
        lines.append(f"  {spec.source.name} --> {spec.name}[{spec.name}]")
        lines += [f"  {spec.name} --> {topic.name}" for topic in spec.outputs]
    lines += ["  curated --> trainer[trainer]", "  trainer --> releases"]
    return "\n".join(lines)
