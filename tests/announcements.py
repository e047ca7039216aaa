"""Announcements as tests write them to ``releases``."""

from typing import Any

from schemas.release import Release, ReleaseStatus


def announcement(id: str, base: str = "base", **changes: Any) -> Release:
    """The announcement of a deployed release that was trained from ``base``, in no directory."""
    fields: dict[str, Any] = {
        "id": id,
        "parent": base,
        "base": base,
        "status": ReleaseStatus.IN_SERVICE,
        "location": "/nowhere",
        "created_at": 1.0,
    }
    return Release(**(fields | changes))
