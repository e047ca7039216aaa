"""What the broker has to allow, and how to say that it does not.

``docs/deployment.md`` lists the permissions of each process and command.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from streams.kafka.cluster import Cluster

_RESOURCES = {29: "topic", 30: "group", 31: "cluster", 53: "transactional id"}
"""Error codes of Kafka for what is not allowed, by the kind of the resource."""
_WRAPPED = re.compile(r"\[Error (\d+)\]")
"""The code in an error of kafka-python's producer, which keeps only the text of its cause."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Operations on a resource, by the names of Kafka's ACLs."""

    operations: str
    resource: str
    """``topic``, ``group``, ``transactional id`` or ``cluster``."""
    name: str

    def __str__(self) -> str:
        return f"{self.operations} on the {self.resource} {self.name}"


def reading(topic: str) -> Permission:
    """What a reader of a topic needs. Read implies Describe."""
    return Permission("Read", "topic", topic)


def writing(topic: str) -> Permission:
    """What a writer of a topic needs. Write implies Describe, and writing idempotently."""
    return Permission("Write", "topic", topic)


def describing(resource: str, name: str) -> Permission:
    """What is needed to see offsets of a topic or a group."""
    return Permission("Describe", resource, name)


def creating(topic: str) -> Permission:
    """What is needed for a topic that may not exist yet."""
    return Permission("Create", "topic", topic)


def transactions(id: str) -> Permission:
    """What a transactional producer needs beside its topics."""
    return Permission("Write", "transactional id", id)


def denial(error: BaseException, cluster: Cluster, needed: Sequence[Permission]) -> str | None:
    """Who is not allowed what, where an error of a client says that; else None.

    ``needed`` is all that the failed operation needs: the broker only says which kind of resource
    it refused.
    """
    code = getattr(error, "errno", None)
    if code is None and (wrapped := _WRAPPED.search(" ".join(map(str, error.args)))):
        code = int(wrapped[1])
    resource = _RESOURCES.get(code or 0)
    if resource is None:
        return None
    missing = [one for one in needed if one.resource == resource] or list(needed)
    named = [one for one in missing if any(one.name in str(argument) for argument in error.args)]
    allow = " and ".join(map(str, named or missing)) or f"more on this {resource}"
    return (
        f"Kafka does not allow it to {cluster.principal}, who needs the permission {allow} "
        "(docs/deployment.md, Permissions)"
    )
