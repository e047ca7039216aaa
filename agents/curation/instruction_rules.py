"""Rules on the text of an instruction, after Self-Instruct (arXiv 2212.10560, section 2.2)."""

import re
import string
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from agents.refusal import Refusal
from models.evaluation.words import count_words, words
from schemas.errors import SettingsError

SOFTWARE_KEYWORDS = (
    "image",
    "images",
    "graph",
    "graphs",
    "picture",
    "pictures",
    "draw",
    "plot",
    "plots",
    "diagram",
    "diagrams",
)
"""The default: things that a text-only model cannot see or make.

Self-Instruct's list also has file, map and go to. In text about software those are common subjects
(a file object, ``map()``), so this list leaves them out.
"""

SELF_INSTRUCT_KEYWORDS = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps"),
    *("draw", "plot", "go to"),
)
"""The paper's list, for text that is not about software."""

_LETTER = re.compile(r"[^\W\d_]")
_OPENING = "¿¡"
_NOT_AT_START = ("Pc", "Pd", "Pe", "Pf", "Po", "Sm", "So")
"""Categories of dashes, bullets, closing brackets and other signs; not of opening ones."""
_PHRASE_WORDS = 3
_PHRASE_TIMES = 3
"""An instruction that repeats a phrase of _PHRASE_WORDS words this often is refused."""


@dataclass(frozen=True, slots=True)
class InstructionRules:
    """The rules with their limits. Raises SettingsError where the limits contradict each other."""

    min_words: int = 4
    """Fewest words, as ``count_words`` has them. Self-Instruct drops three or fewer."""
    max_words: int = 150
    """Most words."""
    keywords: tuple[str, ...] = SOFTWARE_KEYWORDS
    """Refused as whole words, in any case."""
    ascii_start: bool = False
    """Whether the first character must be ASCII, as in Self-Instruct. English texts may ask it."""
    _keyword: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not 1 <= self.min_words <= self.max_words:
            raise SettingsError(
                f"instructions of {self.min_words} to {self.max_words} words are to pass, which is "
                "none: set a minimum of at least 1 and a maximum of at least the minimum"
            )
        if not all(keyword.strip() for keyword in self.keywords):
            raise SettingsError("one of the instruction keywords is empty: remove it")
        if self.keywords:
            choices = "|".join(re.escape(keyword) for keyword in self.keywords)
            pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)", re.IGNORECASE)
            object.__setattr__(self, "_keyword", pattern)

    def refuse(self, instruction: str) -> Refusal | None:
        """Return the first reason to refuse an instruction, or None where it passes."""
        count = count_words(instruction)
        if count < self.min_words:
            return Refusal("instruction_too_short", f"{count} words, at least {self.min_words}")
        if count > self.max_words:
            return Refusal("instruction_too_long", f"{count} words, at most {self.max_words}")
        first = instruction.lstrip()[0]
        if _is_punctuation(first) or (self.ascii_start and not first.isascii()):
            return Refusal("instruction_start", f"starts with {first!r}")
        if not _LETTER.search(instruction):
            return Refusal("instruction_no_letter", "no letter in it")
        keyword = self._keyword.search(instruction) if self._keyword else None
        if keyword:
            return Refusal("instruction_keyword", keyword[0].lower())
        phrase = _repeated_phrase(words(instruction))
        if phrase:
            return Refusal("instruction_repeats", f"{phrase!r} {_PHRASE_TIMES} times or more")
        return None


def _is_punctuation(character: str) -> bool:
    """Whether no instruction begins so. Other scripts begin with signs that ASCII does not have."""
    if character.isascii():
        return character in string.punctuation
    return character not in _OPENING and unicodedata.category(character) in _NOT_AT_START


def _repeated_phrase(found: list[str]) -> str | None:
    """The most frequent phrase, if it is repeated often enough, as by a model stuck in a loop.

    Overlapping occurrences count.
    """
    if len(found) - len(set(found)) < _PHRASE_TIMES - 1:  # too few words are repeated
        return None
    counts = Counter(zip(*(found[start:] for start in range(_PHRASE_WORDS)), strict=False))
    phrase, times = counts.most_common(1)[0]
    return " ".join(phrase) if times >= _PHRASE_TIMES else None
