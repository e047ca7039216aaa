"""What was passed over or mended while a command read its sources."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.errors import SourceError
from schemas.records import Document, Example, Question
from schemas.text import REPLACEMENT, PassedOver, Warned
from streams.quantities import as_count

R = TypeVar("R", Document, Example, Question)
_MOST_NAMES = 20


@dataclass
class Tally:
    """Counts, and the first names of each kind."""

    passed_over: Counter[str] = field(default_factory=Counter)
    """By reason."""
    warnings: int = 0
    replaced: int = 0
    """Characters that could not be decoded and are U+FFFD now."""
    _names: list[str] = field(default_factory=list)
    _warnings: list[str] = field(default_factory=list)
    _replaced_in: list[str] = field(default_factory=list)
    _mended: int = 0
    """Records with such a character."""

    def of(
        self, outcomes: Iterable[R | SourceError | PassedOver | Warned]
    ) -> Iterator[R | SourceError]:
        """Yield the records and the errors, and count the rest."""
        for outcome in outcomes:
            if isinstance(outcome, PassedOver):
                self.passed_over[outcome.reason] += 1
                _add(self._names, f"passed over {outcome.where}: {outcome.reason}")
            elif isinstance(outcome, Warned):
                self.warnings += 1
                _add(self._warnings, outcome.message)
            else:
                if not isinstance(outcome, SourceError):
                    self._count_replaced(outcome)
                yield outcome

    def lines(self) -> Iterator[str]:
        """Sentences for people; none where nothing was passed over or mended."""
        yield from self._listed(self._warnings, self.warnings)
        yield from self._listed(self._names, self.passed_over.total())
        if self.passed_over:
            reasons = ", ".join(
                f"{count:,} {reason}" for reason, count in self.passed_over.most_common()
            )
            yield f"{self.passed_over.total():,} passed over: {reasons}"
        if self.replaced:
            names = ", ".join(self._replaced_in)
            more = f" and {self._mended - len(self._replaced_in):,} more"
            yield (
                f"{as_count(self.replaced, 'character')} could not be decoded; U+FFFD stands "
                f"instead, in {names}" + (more if self._mended > len(self._replaced_in) else "")
            )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "passed_over": dict(self.passed_over),
            "replaced_characters": self.replaced,
            "warnings": list(self._warnings),
        }

    def _count_replaced(self, record: Document | Example | Question) -> None:
        fields = ("text", "instruction", "context", "response")
        texts = (getattr(record, field, None) for field in fields)
        count = sum(text.count(REPLACEMENT) for text in texts if text)
        if count:
            self.replaced += count
            self._mended += 1
            _add(self._replaced_in, getattr(record, "source", "") or record.id)

    @staticmethod
    def _listed(names: list[str], count: int) -> Iterator[str]:
        yield from names
        if count > len(names):
            yield f"and {count - len(names):,} more"


def _add(names: list[str], name: str) -> None:
    if len(names) < _MOST_NAMES:
        names.append(name)
