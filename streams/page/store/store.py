"""The store of the page: a SQLite file that a Follower fills and any thread may query."""

from collections.abc import Callable
from pathlib import Path

from models.releases.release import Manifest
from streams.page.store.filters import EVERYTHING, FIRST, Filter, Page, PageRequest
from streams.page.store.views import (
    CalibrationView,
    Facets,
    FlowView,
    Histogram,
    Item,
    ItemDetails,
    Letter,
    LetterDetails,
    ReadingState,
    ReasonCount,
    ReleaseView,
    TrainingView,
)

ManifestOf = Callable[[str], Manifest | None]
"""The manifest of a release by its id; None where its directory is not here."""


class Store:
    """Use as a context manager. Queries may run on any thread, also while a Follower writes.

    All raise StoreError where the file cannot be read.
    """

    def __init__(
        self,
        file: Path | None = None,
        *,
        manifest_of: ManifestOf = lambda release: None,
        releases_dir: Path | None = None,
    ) -> None:
        """``file`` is made where there is none; without it, a temporary one is used.

        ``releases_dir`` is where the progress of training is read from, where it is here.
        Raises StoreError where it cannot be opened, or another process follows into it.
        """
        raise NotImplementedError

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def version(self) -> int:
        """A number that rises with each change of what any query returns."""
        raise NotImplementedError

    def reading(self) -> ReadingState:
        """How far the topics were read."""
        raise NotImplementedError

    def items(self, filter: Filter = EVERYTHING, page: PageRequest = FIRST) -> Page[Item]:
        """A page of the items that the filter lets through.

        Raises StoreError for a ``PageRequest.after`` that no page had.
        """
        raise NotImplementedError

    def item(self, id: str) -> ItemDetails | None:
        """Everything about an item. None where no item has this id."""
        raise NotImplementedError

    def reasons(self, filter: Filter = EVERYTHING) -> tuple[ReasonCount, ...]:
        """Why the items that the filter lets through were refused, most frequent first."""
        raise NotImplementedError

    def facets(self) -> Facets:
        """Values that filters can have."""
        raise NotImplementedError

    def flow(self) -> FlowView | None:
        """The stream as last read. None before the first reading."""
        raise NotImplementedError

    def releases(self) -> tuple[ReleaseView, ...]:
        """Releases and other models that rated: the last announced first."""
        raise NotImplementedError

    def scores(self, release: str, bins: int = 40) -> Histogram:
        """How a release's ratings are spread over 1 to 5."""
        raise NotImplementedError

    def calibration(self, release: str, bins: int = 8) -> CalibrationView:
        """How a release's ratings agree with people."""
        raise NotImplementedError

    def training(self) -> TrainingView:
        """Training's progress."""
        raise NotImplementedError

    def letters(self, page: PageRequest = FIRST, stage: str | None = None) -> Page[Letter]:
        """Dead letters, each message of a stage once. Newest first, or oldest first."""
        raise NotImplementedError

    def letter(self, at: str) -> LetterDetails | None:
        """A dead letter by ``Letter.at``. None where there is none."""
        raise NotImplementedError
