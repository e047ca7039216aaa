"""Texts of the topics that turn the direction of writing do not turn what stands around them."""

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from schemas.records import Decision, HumanRating, Rejection, Ruling
from schemas.release import Release, ReleaseStatus
from streams.kafka.topics import DEAD_LETTERS, SEGMENTS
from streams.kafka.writing.dead_letters import dead_letter
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.page.store.store import Store
from tests.unit.streams.page.served import Filled, served
from tests.unit.streams.page.topics import (
    NOW,
    candidate,
    document,
    example,
    rating,
    scored,
    segment,
)

_TURNING = "\u202eمرحبا evil"
_VOID = {"meta", "br", "link", "input"}


class _Isolated(HTMLParser):
    """Collects the turning texts of a page that no element isolates."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[bool] = []
        self.turning = 0
        self.bare: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            isolates = tag in ("bdi", "textarea", "title", "option") or ("dir", "auto") in attrs
            self._open.append(isolates)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Elements of SVG, which hold no text."""

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if "\u202e" in data:
            self.turning += 1
            if not any(self._open):
                self.bare.append(data)


def _refused_of(place: DocumentPlace) -> tuple[RefusedPassage, ...]:
    return (RefusedPassage("short", 0, (_TURNING,), _TURNING, "too_short"),)


@pytest.fixture(scope="module")
def page() -> Iterator[Filled]:
    with Store() as store, served(store, _refused_of) as page:
        topics = page.topics
        origin = candidate().provenance.model_copy(
            update={"source": _TURNING, "language": _TURNING, "headings": (_TURNING,)}
        )
        fields = {"provenance": origin, "category": _TURNING, "instruction": _TURNING}
        told = rating().model_copy(update={"release": _TURNING, "reason": _TURNING})
        pairs = [
            scored(id).model_copy(
                update={"candidate": candidate(id).model_copy(update=fields), "rating": told}
            )
            for id in ("e1", "e2", "e3")
        ]
        ruling = Ruling(action="edit", by=_TURNING, at=NOW, note=_TURNING)
        topics.write(
            document().model_copy(update={"source": _TURNING, "title": _TURNING}),
            segment().model_copy(update={"headings": (_TURNING,), "source": _TURNING}),
            *pairs,
            example(pairs[0]),
            pairs[0].candidate.refuse("curator", "dropped", _TURNING),
            pairs[1].candidate.refuse(_TURNING, _TURNING, _TURNING),
            Decision(candidate=pairs[1].candidate, rating=told, ruling=ruling),
            Rejection(id="short", stage="segmenter", reason="too_short", document_id="d1"),
            HumanRating(id="e1", instruction="q", response="a", score=2, rater=_TURNING, at=NOW),
            Release(
                id="r9",
                parent=_TURNING,
                base="base",
                status=ReleaseStatus.KEPT,
                location="/r",
                created_at=NOW,
                reason=_TURNING,
            ),
        )
        message = topics.received(SEGMENTS, b"k", _TURNING.encode())
        letter = dead_letter(message, "backward", ValueError(_TURNING))
        topics.fold([topics.received(DEAD_LETTERS, letter.key, letter.value, letter.headers)])
        yield page


@pytest.mark.parametrize(
    "path",
    [
        "/items",
        "/item?id=e1",
        "/item?id=e2",
        "/item?id=e3",
        "/item/passages?id=short",
        "/rate?id=e2",
        "/releases",
        "/parts/reasons",
        "/letters",
        "/letters/0@0",
    ],
)
def test_texts_that_turn_the_direction_are_isolated(page: Filled, path: str) -> None:
    answer = page.get(path)
    assert answer.status == 200
    found = _Isolated()
    found.feed(answer.text)
    assert found.turning
    assert found.bare == []
