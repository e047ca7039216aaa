"""The live page: what its store makes of foreign messages, and the pages about them."""

import asyncio
import tempfile
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

from starlette.types import Message

from schemas.record import Record
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import topic_of
from streams.page.store.filters import PageRequest
from streams.page.store.folding import FOLLOWED, Folder
from streams.page.store.store import Store
from streams.page.web.acting import KafkaActions
from streams.page.web.application import Application
from streams.settings.address import Address
from streams.settings.page import PageSettings
from tests.fuzz.messages import message, received, several
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts

_RECORDS: tuple[type[Record], ...] = tuple(one for one in VALUES if topic_of(one) in FOLLOWED)
_NAMES = {topic.name for topic in FOLLOWED}
_ADDRESS = Address("127.0.0.1", 80)
_MOST_ITEMS = 200
_THRESHOLD = 4.0


class LivePage:
    """Messages of several topics: they are folded, and every page about them is made."""

    share = 1

    def __init__(self, directory: Path) -> None:
        cluster = Cluster({}, topic_prefix="")  # only GET requests are made: nothing is written
        self._folder = Folder(cluster, RecordReader(note=lambda unreadable: None))
        self._offset = 0
        self._store = Store(Path(tempfile.mkdtemp(dir=directory)) / "page.sqlite")
        actions = KafkaActions(cluster, _THRESHOLD)
        self._page = Application(self._store, actions, PageSettings(), _ADDRESS).guard

    def make(self, random: Random) -> Parts:
        parts: list[bytes | None] = []
        for _ in range(random.randrange(1, 6)):
            record = random.choice(_RECORDS)
            one = message(random, record)
            parts += [b"%d" % (1 + len(one)), topic_of(record).name.encode(), *one]
        return tuple(parts)

    def check(self, parts: Parts) -> None:
        batch = []
        for name, *one in several(parts):
            topic = (name or b"").decode(errors="replace")
            if topic in _NAMES:
                batch.append(received((*one, *[None] * (2 - len(one))), topic, self._offset))
                self._offset += 1
        self._store.apply(self._folder, batch)
        items = self._store.items(page=PageRequest(size=10)).items
        for path in ("/", "/items", "/rate", "/releases", "/letters"):
            self._get(path)
        for item in items:
            self._get("/item", id=item.id)
            assert self._store.item(item.id) is not None
        for release in self._store.releases()[:3]:
            self._get("/releases", left=release.id)
        if self._store.items().total > _MOST_ITEMS:
            self._store.begin({}, anew=True)
            assert self._store.items().total == 0

    def _get(self, path: str, **query: str) -> None:
        status = asyncio.run(_status_of(self._page, path, urlencode(query)))
        assert status == 200, f"{path} {query}: {status}"


async def _status_of(page: Any, path: str, query: str) -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(one: Message) -> None:
        sent.append(one)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "root_path": "",
    }
    await page(scope, receive, send)
    return int(sent[0]["status"])
