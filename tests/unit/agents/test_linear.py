"""The work for a hostile page grows with its size: counted in calls, not in time."""

import sys
from types import FrameType

import pytest

from agents.segmenter import Segmenter
from bench.passages import HOSTILE
from schemas.ids import document_id
from schemas.records import Document

_SMALL = 250


def calls(text: str) -> int:
    """Functions called, those of Python and those written in C, while a page is cut."""
    page = Document(id=document_id("a", text), source="a", text=text, media_type="text/html")
    segmenter = Segmenter()
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        segmenter.passages(page)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_is_linear(name: str) -> None:
    """Twice the page is at most about twice the work; four times would be that of a square."""
    make = HOSTILE[name]
    assert calls(make(2 * _SMALL)) <= 2.5 * calls(make(_SMALL)) + 1000
