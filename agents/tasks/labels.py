"""The labels of a classification: the heading of a passage among those of its neighbours."""

from dataclasses import dataclass

from schemas.ids import hash_fraction
from schemas.records import Segment

_LONGEST = 60
"""Characters of a heading that is a label."""
_FEWEST, _MOST = 2, 4
"""Labels of a choice, the passage's own included."""
_ENGLISH = (None, "en")
"""Languages of the passages that are classified: the wordings are English."""
_WORDINGS = (
    "Classify the text as one of these topics: {}.",
    "Which of these topics is the text about: {}?",
    "Categorize the given text. The categories are {}.",
    "Choose the heading that belongs above the text: {}.",
    "Decide which subject the passage treats: {}.",
    "What is the passage about? Answer with one of {}.",
    "Identify which title fits the passage best: {}.",
    "Tell me whether the text describes {}.",
)
"""A model of any size writes these labels down less reliably than a template does."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Labels, one of which is that of the passage."""

    label: str
    labels: tuple[str, ...]
    """In the order in which the instruction names them."""
    wording: str

    @property
    def instruction(self) -> str:
        """The request to choose one of the labels."""
        *others, last = (f'"{label}"' for label in self.labels)
        return self.wording.format(f"{', '.join(others)} or {last}")


def choice_of(segment: Segment) -> Choice | None:
    """The choice for a passage. None where it has no heading, or its neighbours have no other.

    The order of the labels and the wording depend on the segment's id.
    """
    label = segment.headings[-1] if segment.headings else ""
    if not _is_label(label) or segment.language not in _ENGLISH:
        return None
    near = {name.casefold(): name for name in reversed(segment.neighbours) if _is_label(name)}
    near.pop(label.casefold(), None)
    labels = [label, *reversed(near.values())][:_MOST]
    if len(labels) < _FEWEST:
        return None
    labels.sort(key=lambda name: hash_fraction(f"{name} {segment.id}"))
    wording = _WORDINGS[int(hash_fraction(f"wording {segment.id}") * len(_WORDINGS))]
    return Choice(label, tuple(labels), wording)


def _is_label(name: str) -> bool:
    return 0 < len(name.strip()) <= _LONGEST and any(map(str.isalpha, name)) and '"' not in name
