"""The forms that a final answer can have."""

from enum import StrEnum


class Form(StrEnum):
    """What a final answer is."""

    NUMBER = "number"
    CHOICE = "choice"
    """A letter or a label of those that the question gives."""
    YES_NO = "yes_no"
    SPAN = "span"
    """A few words."""
    TEXT = "text"
    """A text that has no final answer apart from itself."""
