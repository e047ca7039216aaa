"""Words that a text must not contain, such as a list of slurs."""

from collections.abc import Iterable, Iterator

from agents.refusal import Refusal
from models.evaluation.words import is_spaceless, words


class WordList:
    """Words and phrases, found whole and in any case.

    Entries of scripts without spaces are found anywhere in a text.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        listed = [entry.strip() for entry in entries]
        self._anywhere = tuple(entry.lower() for entry in listed if is_spaceless(entry))
        phrases = {tuple(words(entry)) for entry in listed if not is_spaceless(entry)} - {()}
        self._phrases = {phrase: " ".join(phrase) for phrase in phrases}
        self._lengths = sorted({len(phrase) for phrase in phrases})

    def __len__(self) -> int:
        return len(self._anywhere) + len(self._phrases)

    def first(self, text: str) -> str | None:
        """The first entry that a text contains, or None."""
        if not self:
            return None
        found = words(text)
        for length in self._lengths:
            for start in range(len(found) - length + 1):
                if (phrase := tuple(found[start : start + length])) in self._phrases:
                    return self._phrases[phrase]
        folded = text.lower()
        return next((entry for entry in self._anywhere if entry in folded), None)


def toxic(listed: WordList | None, *texts: str | None) -> Iterator[Refusal]:
    """Refuse texts with a word of the list."""
    for text in texts:
        if listed and text and (word := listed.first(text)) is not None:
            yield Refusal("toxic", word)
