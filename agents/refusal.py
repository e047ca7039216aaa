"""Why a filter, a rule or a person refuses something."""

from typing import NamedTuple

from schemas.records import Ruling

DROPPED = "dropped"
"""The reason of what a person dropped."""


class Refusal(NamedTuple):
    """The result of a filter or a rule that refuses, or a person's."""

    reason: str
    """A short code to count by, such as ``too_short``."""
    detail: str
    """An explanation for people."""


def by_whom(ruling: Ruling) -> str:
    """Who decided, and why, as the detail of a rejection."""
    who = f"by {ruling.by}" if ruling.by else "by a person"
    return f"{who}: {ruling.note}" if ruling.note else who
