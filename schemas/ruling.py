"""What a person decided about a pair."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.record import Count, NonEmpty, Seconds

MOST_BYTES = 3 * 1024 * 1024 // 2
"""Most bytes in UTF-8 that what a person wrote may have: the texts and the note together.

The curated example has the texts twice, as its own and in its ruling, and beside them the other
samples of its passage: with this limit it fits into a message.
"""
Action = Literal["accept", "drop", "edit", "undo"]
"""``accept``: the pair is accepted, whatever its rating and the rules say. ``drop``: it is not.
``edit``: it is accepted with other texts. ``undo``: the model's rating and the rules count again.
"""


class Texts(BaseModel):
    """The texts of a pair as a person wrote them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    instruction: NonEmpty
    context: str | None = None
    response: NonEmpty


class Ruling(BaseModel):
    """A person's decision about a pair, without the pair."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    action: Action
    by: str = ""
    """Who decided."""
    at: Seconds = 0.0
    """When it was decided, by the clock of who decided."""
    note: str = ""
    """Why, such as ``rated 2``."""
    texts: Texts | None = None
    """The pair's texts from then on; None where they stay as the model wrote them."""
    order: Count = 0
    """Offset of the decision on ``decisions`` plus 1; 0 until the stream has read it. Of two
    decisions about a pair, the one with the higher order counts.
    """

    @property
    def too_long(self) -> str | None:
        """Why the stream cannot take it, for people; None where it can."""
        texts = dict(self.texts) if self.texts else {}
        written = sum(len((one or "").encode(errors="replace")) for one in texts.values())
        note = len(self.note.encode(errors="replace")) + len(self.by.encode(errors="replace"))
        if written + note <= MOST_BYTES:
            return None
        what = f"its texts have {written:,} bytes" if texts else f"its note has {note:,} bytes"
        return f"{what}, and texts and note together may have {MOST_BYTES:,}"

    @property
    def keeps(self) -> bool:
        """Whether the pair is kept by this decision alone."""
        return self.action in ("accept", "edit")
