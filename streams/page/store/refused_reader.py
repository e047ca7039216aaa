"""Reads the documents again whose refused passages are not known, so that they can be searched."""

import asyncio
import logging
import threading

from schemas.errors import BackstreamError, BrokerError, StoreError
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.page.store.refused_passages import Cut, cutting
from streams.page.store.store import Store
from streams.settings import Settings

log = logging.getLogger(__name__)
_AT_ONCE = 100
_LOOK_SECONDS = 2.0
_RETRY_SECONDS = 10.0
_STOP_SECONDS = 5.0


class RefusedReader:
    """Use as a context manager: it reads until the block ends, on a thread of its own.

    One document is cut at a time, in a process of a low priority, the newest refusals first. It
    begins when the store has read all that the topics held.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="page-refused", daemon=True)

    def __enter__(self) -> "RefusedReader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_STOP_SECONDS)  # it may be waiting for a broker

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        reading = asyncio.create_task(self._read())
        await self._stopped.wait()
        reading.cancel()
        await asyncio.wait([reading])

    async def _read(self) -> None:
        version = -1
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if version == self._store.version or not self._store.reading().caught_up:
                continue
            version = self._store.version
            try:
                while places := self._store.documents_to_cut(_AT_ONCE):
                    async with cutting(self._settings, nice=True) as cut:
                        for place in places:
                            self._store.write_refused(place.id, await _passages(cut, place))
            except (BackstreamError, OSError) as error:
                log.warning("the texts of refused passages cannot be read: %s", error)
                version = -1
                await asyncio.sleep(_RETRY_SECONDS)


async def _passages(cut: Cut, place: DocumentPlace) -> tuple[RefusedPassage, ...]:
    """What was refused of a document; nothing where it cannot be read or cut."""
    try:
        return await cut(place)
    except (BrokerError, StoreError):
        raise
    except (BackstreamError, RuntimeError) as error:
        log.info("%s: its refused passages cannot be read: %s", place.id, error)
        return ()
