"""Documents by number."""

from collections.abc import Iterable, Iterator

from schemas.ids import document_id
from schemas.records import Document
from tests.integration.conftest import passage


def notes(numbers: Iterable[int]) -> Iterator[Document]:
    """A document with one passage for each number."""
    for number in numbers:
        text, source = passage(number), f"notes/{number}"
        yield Document(id=document_id(source, text), source=source, text=text)
