"""What is said of the files of an export."""

from pathlib import Path

from schemas.records import Example, ExampleOrigin
from streams.cli.exporting import Found, Request, remarks
from streams.data.selection import Selection, Split
from streams.data.shards import Form, ShapeName

_LOADS_NOT = "there is no row, and `datasets` cannot load a file without rows"


def _request(
    selection: Selection | None = None, split: Split | None = None, shape: ShapeName = "chat"
) -> Request:
    form = Form(shape, with_evidence=False)
    return Request(form, selection or Selection(), split, Path("a.jsonl"), None, None, True)


def _rows(count: int) -> list[Example]:
    return [
        Example(id=str(n), instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
        for n in range(count)
    ]


def _said(request: Request, before: int, **sides: int) -> list[str]:
    found = Found(before, {side: _rows(count) for side, count in sides.items()}, 0)
    return list(remarks(request, found))


def test_nothing_is_said_of_files_with_rows() -> None:
    assert _said(_request(), 3, train=3) == []
    assert _said(_request(split=Split(0.75)), 4, train=3, test=1) == []


def test_an_empty_file_is_named_with_its_reason_and_what_cannot_load_it() -> None:
    filtered = _request(Selection(min_score=4.9))
    why, loads = _said(filtered, 156, train=0)
    assert why.startswith("none of 156 examples passes the filters: a rating of 4.9 or more")
    assert loads == _LOADS_NOT
    assert _said(_request(shape="dpo"), 0, train=0)[-1] == _LOADS_NOT
    assert _said(_request(split=Split(0.9)), 0, train=0, test=0)[1:] == [
        f"train and test: {_LOADS_NOT}"
    ]


def test_a_side_without_rows_is_named() -> None:
    said = _said(_request(split=Split(0.98)), 9, train=9, test=0)
    assert said == [f"test: {_LOADS_NOT}"]


def test_a_share_that_is_far_off_is_said_with_its_reason() -> None:
    assert _said(_request(split=Split(0.8)), 100, train=77, test=23) == []
    (said,) = _said(_request(split=Split(0.8)), 100, train=40, test=60)
    assert said.startswith("40% are for training, not 80%: what is of one document")
    (said,) = _said(_request(split=Split(0.5)), 10, train=9, test=1)
    assert said.startswith("90% are for training, not 50%")
