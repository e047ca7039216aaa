"""The store of the page: a SQLite file that a Follower fills and any thread may query."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from schemas.release import Release
from streams.kafka.messages import Received
from streams.observe.lag import Flow
from streams.page.store.database import Database, clear
from streams.page.store.dead_letters import letter_of, letters_of
from streams.page.store.filters import EVERYTHING, FIRST, Filter, Page, PageRequest
from streams.page.store.flow_meter import FlowMeter, Written
from streams.page.store.folding import Folder
from streams.page.store.item_details import details_of
from streams.page.store.item_views import (
    DocumentPlace,
    Facets,
    Item,
    ItemDetails,
    ReasonCount,
    RefusedPassage,
)
from streams.page.store.items import facets_of, page_of, reasons_of
from streams.page.store.pruning import LIMITS, Limits, prune
from streams.page.store.refused_texts import documents_to_cut, unsearched, write_refused_texts
from streams.page.store.release_ratings import calibration_of, histogram_of, releases_of
from streams.page.store.stream_views import (
    NO_FILES,
    CalibrationView,
    FlowView,
    Histogram,
    InUse,
    Letter,
    LetterDetails,
    Promise,
    ReadingState,
    ReleaseView,
    TrainingView,
)
from streams.page.store.training_runs import training_of
from streams.stages.topology import StageSpec

PromiseOf = Callable[[str], Promise]
"""What the judge of a release promises, by the release's id."""
InUseOf = Callable[[Sequence[Release]], InUse]
"""What is used of announced releases, which are in their order."""


class Store:
    """Use as a context manager. Queries may run on any thread, also while a Follower writes.

    All raise StoreError where the file cannot be read.
    """

    def __init__(
        self,
        file: Path | None = None,
        *,
        promise_of: PromiseOf = lambda release: NO_FILES,
        in_use_of: InUseOf = lambda releases: InUse(frozenset(), {}),
        releases_dir: Path | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        """``file`` is made where there is none; without it, a temporary one is used.

        ``releases_dir`` is where the progress of training is read from, where it is here. Raises
        StoreError where the file cannot be opened, or another process follows into it.
        """
        self._database = Database(file)
        self._promise_of = promise_of
        self._in_use_of = in_use_of
        self._releases_dir = releases_dir
        self._limits = limits
        self._meter = FlowMeter()
        self._lock = threading.Lock()
        self._version = 0
        self._reading = ReadingState(
            read=0, behind=0, unreadable=0, error="the topics have not been read yet"
        )

    def __enter__(self) -> "Store":
        self._database.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.__exit__(*exception)

    @property
    def version(self) -> int:
        """A number that rises with each change of what any query returns."""
        return self._version

    def reading(self) -> ReadingState:
        """How far the topics were read."""
        return self._reading

    def items(self, filter: Filter = EVERYTHING, page: PageRequest = FIRST) -> Page[Item]:
        """A page of the items that the filter lets through.

        Raises QueryError for a ``PageRequest.after`` that no page had.
        """
        with self._database.reading() as database:
            return page_of(database, filter, page)

    def item(self, id: str) -> ItemDetails | None:
        """Everything about an item. None where no item has this id."""
        with self._database.reading() as database:
            return details_of(database, id)

    def reasons(self, filter: Filter = EVERYTHING) -> tuple[ReasonCount, ...]:
        """Why the items that the filter lets through were refused, most frequent first."""
        with self._database.reading() as database:
            return reasons_of(database, filter)

    def unsearched(self, filter: Filter) -> int:
        """Refused passages that a filter by text or language may leave out for want of a text.

        The other conditions let them through. 0 where neither text nor language is asked for.
        """
        with self._database.reading() as database:
            return unsearched(database, filter)

    def facets(self) -> Facets:
        """Values that filters can have."""
        with self._database.reading() as database:
            return facets_of(database)

    def flow(self) -> FlowView | None:
        """The stream as last read. None before the first reading."""
        with self._database.reading() as database:
            [examples] = database.execute(
                "SELECT count(*) FROM items WHERE verdict = 'accepted'"
            ).fetchone()
            return self._meter.view(_written(database), examples)

    def releases(self) -> tuple[ReleaseView, ...]:
        """Releases and other models that rated: the last announced first."""
        with self._database.reading() as database:
            return releases_of(database)

    def in_use(self) -> InUse:
        """Which deployed releases can be used here. Their files may be hashed."""
        announced = [view.release for view in self.releases() if view.release is not None]
        return self._in_use_of(announced[::-1])

    def scores(self, release: str, bins: int = 40) -> Histogram:
        """How a release's ratings are spread over 1 to 5."""
        with self._database.reading() as database:
            return histogram_of(database, release, bins)

    def calibration(self, release: str, bins: int = 8) -> CalibrationView:
        """How a release's ratings agree with people."""
        with self._database.reading() as database:
            return calibration_of(database, release, bins, self._promise_of(release))

    def training(self) -> TrainingView:
        """Training's progress."""
        with self._database.reading() as database:
            return training_of(database, self._releases_dir)

    def letters(self, page: PageRequest = FIRST, stage: str | None = None) -> Page[Letter]:
        """Dead letters, each message of a stage once. Newest first, or oldest first."""
        with self._database.reading() as database:
            return letters_of(database, page, stage)

    def letter(self, at: str) -> LetterDetails | None:
        """A dead letter by ``Letter.at``. None where there is none."""
        with self._database.reading() as database:
            return letter_of(database, at)

    def topics(self) -> dict[str, str]:
        """Name on the cluster to id, for the topics that were read. For the Follower."""
        with self._database.reading() as database:
            return dict(database.execute("SELECT name, id FROM topics").fetchall())

    def offsets(self) -> dict[tuple[str, int], int]:
        """(topic, partition) to the next offset to read. For the Follower."""
        with self._database.reading() as database:
            rows = database.execute("SELECT topic, partition, next FROM offsets")
            return {(topic, partition): next for topic, partition, next in rows}

    def begin(self, topics: Mapping[str, str], *, anew: bool) -> None:
        """Note which topics are read from now on; with ``anew``, forget all that was read before.

        For the Follower.
        """
        with self._database.writing() as database:
            if anew:
                clear(database)
            database.executemany("INSERT OR REPLACE INTO topics VALUES (?, ?)", topics.items())
        self._change()

    def apply(self, folder: Folder, messages: Sequence[Received]) -> None:
        """Write messages and the offsets after them, in one transaction. For the Follower."""
        with self._database.writing() as database:
            folder.fold(database, messages)
        with self._lock:
            self._reading = replace(self._reading, read=self._reading.read + len(messages))
            self._version += 1

    def documents_to_cut(self, most: int) -> tuple[DocumentPlace, ...]:
        """Documents whose refused passages were not looked for. For the RefusedReader."""
        with self._database.reading() as database:
            return documents_to_cut(database, most)

    def write_refused(self, document_id: str, passages: Sequence[RefusedPassage]) -> None:
        """Write what was found of the refused passages of a document. For the RefusedReader."""
        with self._database.writing() as database:
            write_refused_texts(database, document_id, passages)
        self._change()

    def prune(self) -> None:
        """Delete the oldest rows that are more than the limits allow. For the Follower."""
        with self._database.writing() as database:
            pruned = prune(database, self._limits)
        if pruned:
            self._change()

    def note(self, *, behind: int | None, unreadable: int, error: str | None) -> None:
        """Note how far the topics were read; ``behind`` is None where it is as before.

        For the Follower.
        """
        with self._lock:
            before = self._reading
            self._reading = replace(
                before,
                behind=before.behind if behind is None else behind,
                unreadable=unreadable,
                error=error,
            )
            self._version += self._reading != before

    def measure(
        self,
        flow: Flow,
        stages: Sequence[StageSpec],
        caught_up: bool,
        in_the_way: Sequence[str] = (),
    ) -> None:
        """Take a reading of the stream's offsets. For the Follower."""
        with self._database.reading() as database:
            written = _written(database)
        if self._meter.update(flow, stages, written, caught_up, in_the_way):
            self._change()

    def _change(self) -> None:
        with self._lock:
            self._version += 1


def _written(database: sqlite3.Connection) -> Written:
    rows: Iterable[tuple[str, str, int]] = database.execute(
        "SELECT stage, topic, count FROM written"
    )
    return {(stage, topic): count for stage, topic, count in rows}
