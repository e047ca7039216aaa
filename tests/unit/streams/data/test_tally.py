"""What was passed over or mended, counted and named."""

from schemas.errors import SourceError
from schemas.records import Document
from schemas.text import PassedOver, Warned
from streams.data.sources import Outcome
from streams.data.tally import Tally


def _document(text: str, source: str = "a.txt") -> Document:
    return Document(id="d", source=source, text=text)


def test_records_and_errors_go_on_and_the_rest_is_counted() -> None:
    tally = Tally()
    error = SourceError("b.txt: damaged")
    outcomes: list[Outcome] = [
        PassedOver("c.png", ".png file"),
        _document("fine"),
        error,
        Warned("d.gz: left out what follows the gzip data"),
        _document("a \ufffd b \ufffd", "e.txt"),
        PassedOver("f.png", ".png file"),
    ]
    assert list(tally.of(outcomes)) == [outcomes[1], error, outcomes[4]]
    assert list(tally.lines()) == [
        "d.gz: left out what follows the gzip data",
        "passed over c.png: .png file",
        "passed over f.png: .png file",
        "2 passed over: 2 .png file",
        "2 characters could not be decoded; U+FFFD stands instead, in e.txt",
    ]
    assert tally.as_dict() == {
        "passed_over": {".png file": 2},
        "replaced_characters": 2,
        "warnings": ["d.gz: left out what follows the gzip data"],
    }


def test_names_are_bounded_and_counts_are_not() -> None:
    tally = Tally()
    list(tally.of(PassedOver(f"{n}.png", ".png file") for n in range(1000)))
    list(tally.of(_document("\ufffd", f"{n}.txt") for n in range(100)))
    lines = list(tally.lines())
    assert len(lines) < 30
    assert "and 980 more" in lines
    assert "1,000 passed over: 1,000 .png file" in lines
    assert "100 characters" in lines[-1]
    assert lines[-1].endswith("and 80 more")


def test_nothing_to_tell() -> None:
    tally = Tally()
    list(tally.of([_document("fine")]))
    assert list(tally.lines()) == []
