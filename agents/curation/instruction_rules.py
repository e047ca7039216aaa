"""Rules on the text of an instruction, after Self-Instruct (arXiv 2212.10560, section 2.2)."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from agents.curation.settings import CuratorSettings
from agents.refusal import Refusal
from models.evaluation.rouge import rouge_l
from models.evaluation.words import count_words, words
from schemas.turns import Turn

_LETTER = re.compile(r"[^\W\d_]")
_OPENING = "¿¡"
_NOT_AT_START = ("Pc", "Pd", "Pe", "Pf", "Po", "Sm", "So")
"""Categories of dashes, bullets, closing brackets and other signs; not of opening ones."""
_PHRASE_WORDS = 3
_PHRASE_TIMES = 3
"""An instruction that repeats a phrase of _PHRASE_WORDS words this often is refused."""


class InstructionRules:
    """The rules with their limits."""

    def __init__(self, settings: CuratorSettings | None = None) -> None:
        self._settings = settings = settings or CuratorSettings()
        self._keywords = _pattern(settings.keywords)
        self._invented_keywords = _pattern(settings.invented_keywords)

    def refuse(self, instruction: str) -> Refusal | None:
        """The first refusal of an instruction that was written for a passage, or None."""
        return next(self.refusals(instruction), None)

    def refusals(
        self, instruction: str, invented: bool = False, turns: Sequence[Turn] = ()
    ) -> Iterator[Refusal]:
        """Every refusal, in order. An ``invented`` instruction was not written for a passage.

        After ``turns``, one word is enough: "Why?" asks about what was said. What repeats a
        message of the user there is refused.
        """
        limits = self._settings
        count, least = count_words(instruction), 1 if turns else limits.min_words
        if count < least:
            yield Refusal("instruction_too_short", f"{count} words, at least {least}")
        if count > limits.max_words:
            yield Refusal("instruction_too_long", f"{count} words, at most {limits.max_words}")
        first = instruction.lstrip()[:1]
        if _is_punctuation(first) or (limits.ascii_start and not first.isascii()):
            yield Refusal("instruction_start", f"starts with {first!r}")
        if not _LETTER.search(instruction):
            yield Refusal("instruction_no_letter", "no letter in it")
        for keywords in (self._keywords, self._invented_keywords if invented else None):
            if keywords is not None and (keyword := keywords.search(instruction)):
                yield Refusal("instruction_keyword", keyword[0].lower())
        phrase = _repeated_phrase(words(instruction))
        if phrase:
            yield Refusal("instruction_repeats", f"{phrase!r} {_PHRASE_TIMES} times or more")
        yield from self._repeated_turns(instruction, turns)

    def _repeated_turns(self, instruction: str, turns: Sequence[Turn]) -> Iterator[Refusal]:
        asked = words(instruction) if turns else []
        for number, turn in enumerate(turns, 1):
            if turn.role == "user" and words(turn.text):
                near = rouge_l(asked, words(turn.text))
                if near >= self._settings.novelty:
                    yield Refusal("repeats_turn", f"ROUGE-L {near:.2f} with turn {number}")


def _pattern(keywords: Sequence[str]) -> re.Pattern[str] | None:
    """Finds a keyword, in any case; None for no keywords."""
    if not keywords:
        return None
    choices = "|".join(re.escape(keyword) for keyword in keywords)
    return re.compile(rf"(?<!\w)(?:{choices})(?!\w)", re.IGNORECASE)


def _is_punctuation(character: str) -> bool:
    """Whether no instruction begins so. Other scripts begin with signs that ASCII does not have."""
    if character.isascii():
        return character != "" and character in string.punctuation
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
