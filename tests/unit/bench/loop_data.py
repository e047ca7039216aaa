"""Rows and documents for tests of bench.loop."""

import json
from pathlib import Path

from schemas.ids import document_id
from schemas.records import Document

_THINGS = (
    *("house", "table", "boat", "bridge", "tower", "wheel"),
    *("clock", "river", "candle", "mirror", "ladder", "garden"),
)


def write_rows(file: Path) -> Path:
    """Write 90 rows in the format of Dolly, the last 20 to be held out."""
    rows = [
        _row(number, thing)
        for number in range(12)
        for thing in (_THINGS[number], _THINGS[(number + 5) % 12])
    ]
    rows += [_row(100 + number, thing) for number, thing in enumerate(_THINGS * 3)]
    rows += [
        {"instruction": f"Sum up k{n} j{n} now", "context": f"Given {n}. " * 9, "response": "Short"}
        for n in range(5)
    ]
    rows += [
        {"instruction": row["instruction"].upper(), "context": "", "response": row["response"]}
        for row in rows[:5]
    ]
    rows += [_row(500 + number, _THINGS[number % 12]) for number in range(20)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def _row(number: int, thing: str) -> dict[str, str]:
    asked = f"Tell why q{number} {thing} x{number} or y{number} {thing} z{number} fell?"
    said = (
        f"Row {number}: a {thing} of kind {number} was built by hand from wood and stone, and "
        f"stood for z{number} years in all."
    )
    return {"instruction": asked, "context": "", "response": said}


def documents() -> list[Document]:
    """Six documents of a passage each."""
    texts = [
        f"Passage {n} tells of the {_THINGS[n]}. It has more to say about it than fits here: "
        f"{n} words on its {_THINGS[-n]}, as many on how it was made, and some on who used it in "
        f"the year {1900 + n}, when nobody had ever seen one before it."
        for n in range(6)
    ]
    return [
        Document(id=document_id(f"{n}.txt", text), source=f"{n}.txt", text=text)
        for n, text in enumerate(texts)
    ]
