"""How the examples are divided among the categories of tasks, beside what is wanted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.categories import Category, Mix
from schemas.records import Candidate, Example, ExampleOrigin
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CANDIDATES, CURATED
from streams.quantities import as_count

_LAST = 1000
"""Messages of each partition of ``curated`` that are looked at for ``status``."""


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """One category. The field names are those of ``status --json``."""

    examples: int
    share: float
    """Of the examples whose category is known, 0 to 1."""
    wanted: float
    """By ``curation.mix``, of all that is wanted, 0 to 1."""


@dataclass(frozen=True, slots=True)
class MixTally:
    """Examples that the loop made, by category."""

    examples: int
    """Whose category is known."""
    with_context: int
    categories: Mapping[str, CategoryShare]
    """Those that are wanted, that occur, or both."""

    def __str__(self) -> str:
        found = ", ".join(
            f"{name} {one.share:.0%} of {one.wanted:.0%}" for name, one in self.categories.items()
        )
        return (
            f"of the last {as_count(self.examples, 'example')} "
            f"{self.with_context / self.examples:.0%} have a context; "
            f"share and wanted share: {found}"
        )


def tally_of(examples: Iterable[Example], mix: Mix) -> MixTally | None:
    """Count the examples whose category is known. None where there are none."""
    known = [
        example
        for example in examples
        if example.origin is ExampleOrigin.AUGMENTED and example.category
    ]
    if not known:
        return None
    counts = Counter(str(example.category) for example in known)
    wanted = {str(category): share for category, share in mix.items() if share > 0}
    total = sum(wanted.values()) or 1.0
    names = [str(name) for name in Category if name in counts or name in wanted]
    names += sorted(counts.keys() - set(Category))
    return MixTally(
        len(known),
        sum(1 for example in known if example.context),
        {
            name: CategoryShare(
                counts[name],
                round(counts[name] / len(known), 4),
                round(wanted.get(name, 0.0) / total, 4),
            )
            for name in names
        },
    )


def read_mix(cluster: Cluster, mix: Mix, reader: RecordReader | None = None) -> MixTally | None:
    """Count what the last messages of ``curated`` hold. Raises BrokerError."""
    reader, newest = reader or RecordReader(), dict[str, Example | None]()
    for received in replay(cluster, CURATED, last=_LAST):
        if (entry := reader.read_entry(received, Example)) is not None:
            newest[entry.id] = entry.record
    return tally_of((example for example in newest.values() if example), mix)


def count_written(cluster: Cluster) -> Counter[str]:
    """Candidates by category, each id once; those without one under an empty name.

    Raises BrokerError.
    """
    reader, found = RecordReader(), dict[str, str]()
    for received in replay(cluster, CANDIDATES):
        if (candidate := reader.read_record(received, Candidate)) is not None:
            found[candidate.id] = candidate.category or ""
    return Counter(found.values())
