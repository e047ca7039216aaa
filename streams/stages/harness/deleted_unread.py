"""Messages that retention deleted before their stage had processed them, as a rejection.

Once a stage has gone on at the log's new start and committed, Kafka no longer shows that anything
was deleted unread. So the stage writes it down first.
"""

from dataclasses import dataclass

from schemas.records import Rejection

DELETED_UNREAD = "deleted_unread"
"""The reason of such a rejection."""


@dataclass(frozen=True, slots=True, order=True)
class DeletedUnread:
    """A run of offsets that a stage never processed. ``topic`` is its name on the cluster."""

    stage: str
    topic: str
    partition: int
    first: int
    count: int
    """Number of offsets. Some may have held no message: markers of transactions use offsets too."""

    @property
    def place(self) -> tuple[str, str, int]:
        """The stage, and the topic and partition that it reads."""
        return self.stage, self.topic, self.partition

    @property
    def end(self) -> int:
        """The offset after the last one."""
        return self.first + self.count

    def __str__(self) -> str:
        return (
            f"offsets {self.first} to {self.end - 1} of {self.topic}/{self.partition} were deleted "
            "by the topic's retention before they were processed"
        )

    def rejection(self) -> Rejection:
        """The record of the loss. Two that begin at the same offset have the same id."""
        return Rejection(
            id=f"{self.topic}/{self.partition}@{self.first}",
            stage=self.stage,
            reason=DELETED_UNREAD,
            detail=str(self),
            count=self.count,
        )

    @classmethod
    def of(cls, rejection: Rejection) -> "DeletedUnread | None":
        """What such a rejection says. None where its id is no position, or none that Kafka has."""
        place, _, first = rejection.id.rpartition("@")
        topic, _, partition = place.rpartition("/")
        if not topic or not (partition.isdecimal() and first.isdecimal()):
            return None
        number, offset = int(partition), int(first)
        if number >= 2**31 or offset + rejection.count > 2**63:
            return None
        return cls(rejection.stage, topic, number, offset, rejection.count)
