"""What the segmenter refused of the documents that people look at: one is cut at a time."""

import threading
from collections import OrderedDict

from schemas.errors import StoreError
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.page.store.refused_passages import refused_passages
from streams.settings import Settings

_REMEMBERED = 8
_MOST_WAITING = 4
"""Requests that wait; more would take the threads that other pages are made on."""

Found = tuple[RefusedPassage, ...]


class PassageFinder:
    """Finds refused passages, and remembers those of the last documents. Any thread may call it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cutting = threading.Lock()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._found: OrderedDict[DocumentPlace, Found] = OrderedDict()

    def __call__(self, place: DocumentPlace) -> Found:
        """What ``refused_passages`` returns and raises; StoreError where too many ask at once."""
        if not self._waiting.acquire(blocking=False):
            raise StoreError("several documents are being cut now: ask again in a few seconds")
        try:
            with self._cutting:
                if place not in self._found:
                    self._found[place] = refused_passages(self._settings, place)
                self._found.move_to_end(place)
                if len(self._found) > _REMEMBERED:
                    self._found.popitem(last=False)
                return self._found[place]
        finally:
            self._waiting.release()
