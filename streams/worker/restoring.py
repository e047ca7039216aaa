"""Restores the state of an agent when its worker is assigned a partition."""

from schemas.records import Decision, Example
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay_partition, replay_processed, replay_topic
from streams.stages.agent.protocol import StatefulAgent
from streams.stages.topology import StageSpec

_RECALLED = 20_000
"""Source messages that are read again: as many as the curator remembers."""


async def restore(
    agent: StatefulAgent, spec: StageSpec, partition: int, cluster: Cluster, reader: RecordReader
) -> None:
    """Read people's decisions, the state of the stage, and the last messages that it processed."""
    assert spec.state is not None
    assert spec.source.record is not None
    if spec.decisions is not None:
        async for decided in replay_topic(cluster, spec.decisions):
            decision = reader.read_entry(decided, Decision)
            if decision is not None and decision.record is not None:
                agent.restore_ruling(decision.record.ordered(decided.offset))
    async for kept in replay_partition(cluster, spec.state, partition):
        if (entry := reader.read_entry(kept, Example)) is not None:
            agent.restore(entry.id, entry.record)
    group = cluster.consumer_group(spec.name)
    async for processed in replay_processed(cluster, spec.source, partition, group, _RECALLED):
        # One that cannot be read is a dead letter.
        if (record := reader.read_record(processed, spec.source.record)) is not None:
            agent.recall(record)
