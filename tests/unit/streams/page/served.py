"""The page on a port of its own, without a broker: its store is filled by a test."""

import http.client
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from schemas.records import Decision, HumanRating, Ruling
from schemas.ruling import Texts
from streams.data.decisions import candidate_of
from streams.data.judging import Undone
from streams.kafka.writing.sending_back import LeftOut, SentBack
from streams.page.store.item_views import ItemDetails
from streams.page.store.store import Store
from streams.page.web.acting import Actions
from streams.page.web.serving import PageServer, listening_on
from streams.page.web.site import RefusedOf
from streams.settings.page import PageSettings
from tests.unit.streams.page.topics import NOW, Topics


class StoredActions:
    """Actions that write straight to the topics of a test."""

    threshold = 4.0

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self.done: list[tuple[Any, ...]] = []
        self.texts: Texts | None = None
        self.ruling: Ruling | None = None
        self.left_out: tuple[LeftOut, ...] = ()
        self._at = NOW

    def _decide(self, item: ItemDetails, action: Any, by: str, texts: Texts | None = None) -> None:
        assert item.pair is not None
        self._at += 1
        ruling = Ruling(action=action, by=by, at=self._at, note="", texts=texts)
        self.ruling = ruling
        self._topics.write(
            Decision(candidate=candidate_of(item.pair), rating=item.pair.rating, ruling=ruling)
        )
        self.done.append((action, item.item.id, by))

    def drop(self, item: ItemDetails, by: str) -> None:
        self._decide(item, "drop", by)

    def accept(self, item: ItemDetails, by: str) -> None:
        self._decide(item, "accept", by)

    def edit(
        self,
        item: ItemDetails,
        by: str,
        *,
        instruction: str | None,
        context: str | None,
        response: str | None,
    ) -> None:
        now = item.editable
        assert now is not None
        texts = Texts(
            instruction=now.instruction if instruction is None else instruction,
            context=now.context if context is None else context or None,
            response=now.response if response is None else response,
        )
        self.texts = texts
        self._decide(item, "edit", by, texts)

    def undo(self, id: str, by: str) -> Undone:
        item = self._topics.store.item(id)
        assert item is not None
        if item.decision is None or item.decision.action == "undo":
            return Undone.RATING if self.take_back(id, by) else Undone.NOTHING
        self._decide(item, "undo", by)
        return Undone.DECISION

    def rate(self, item: ItemDetails, score: int, by: str) -> None:
        self._topics.write(
            HumanRating(
                id=item.item.id,
                instruction=item.instruction,
                response=item.response,
                score=score,
                rater=by,
                at=NOW,
            )
        )
        self.done.append(("rate", item.item.id, score, by))

    def take_back(self, id: str, by: str) -> bool:
        item = self._topics.store.item(id)
        if item is None or item.human is None:
            return False
        self._topics.retract_rating(id)
        self.done.append(("take-back", id))
        return True

    def promote(self, id: str) -> None:
        self.done.append(("promote", id))

    def roll_back(self, base: str) -> str:
        self.done.append(("rollback", base))
        return base

    def replay(self, at: str) -> SentBack:
        self.done.append(("replay", at))
        return SentBack(1, self.left_out)

    def replay_all(self, stage: str | None) -> SentBack:
        self.done.append(("replay", "all", stage))
        return SentBack(1, self.left_out)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Served:
    """A page, and a client of it that keeps cookies."""

    server: PageServer
    cookies: dict[str, str] = field(default_factory=dict)
    seconds: float = 10
    """How long an answer is waited for."""

    @property
    def origin(self) -> str:
        return self.server.url.rstrip("/")

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, _headers: Mapping[str, str] | None = None, **form: str) -> Answer:
        """Send a form as a browser does, with the form token of the first page."""
        if "form_token" not in form:
            found = re.search('name="form[-_]token" (?:content|value)="([^"]+)"', self._first())
            assert found is not None
            form["form_token"] = found[1]
        headers = {"Origin": self.origin, **(_headers or {})}
        return self._ask("POST", path, urlencode(form), headers)

    def _first(self) -> str:
        found = self.get("/keys")
        return found.text if found.status == 200 else self.get("/login").text

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(*self.server.address, timeout=self.seconds)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Cookie": cookies, **headers} if cookies else dict(headers)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            for cookie in response.headers.get_all("Set-Cookie") or ():
                name, _, rest = cookie.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            text = response.read().decode()
            return Answer(
                response.status, {k.lower(): v for k, v in response.headers.items()}, text
            )
        finally:
            connection.close()


@contextmanager
def serving(
    store: Store, actions: Actions, refused_of: RefusedOf = lambda place: (), **settings: Any
) -> Iterator[PageServer]:
    """Serve a store on a free port of the loopback interface."""
    page = PageSettings(**{"listen": "127.0.0.1:0", **settings})
    with listening_on(page.address) as listening:
        server = PageServer(listening, store, actions, page, person="ada", refused_of=refused_of)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(20)


@dataclass
class Filled(Served):
    """The page of a store that a test fills."""

    topics: Topics = field(kw_only=True)
    actions: StoredActions = field(kw_only=True)


@contextmanager
def served(
    store: Store, refused_of: RefusedOf = lambda place: (), **settings: Any
) -> Iterator[Filled]:
    """Serve a store, with actions that write straight into it."""
    topics = Topics(store)
    actions = StoredActions(topics)
    with serving(store, actions, refused_of, **settings) as server:
        yield Filled(server, topics=topics, actions=actions)
