"""Passages of documentation that no judge has learned from: neither of CPython nor trained on.

They are cut from what Debian 12 and the packages of requirements.lock install: four kinds of text,
as many passages of each. Files come in the order of the hashes of their names, at most two passages
of one. Manuals that the segmenter was developed on (git, libxslt) are left out.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from agents.segmenter import Segmenter
from schemas.records import Document, Segment
from streams.data.sources import EVERY_FILE, Choice, discover, read
from streams.run.demo.documents import library_documents

OF_EACH_KIND = 40
"""Passages of each kind that were rated."""
_OF_A_DOCUMENT = 2
_PACKAGES = """
    aiohttp attr cffi click cryptography dateutil docutils fsspec httpx huggingface_hub hypothesis
    jinja2 matplotlib mpmath networkx numpy packaging pandas pluggy prometheus_client psutil
    pygments pyparsing pytz requests rich sortedcontainers sympy tqdm urllib3 yaml
""".split()
"""Installed packages whose docstrings are read."""
_FORMATS = ("*.md", "*.md.gz", "*.rst", "*.rst.gz", "*.txt", "*.txt.gz", "*.html")
_NO_DOCUMENTATION = (
    *("*changelog*", "CHANGELOG*", "copyright*", "NEWS*", "news*", "*LICENSE*", "*licen[cs]e*"),
    *("AUTHORS*", "TODO*", "THANKS*"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Documents of one kind."""

    name: str
    paths: tuple[str, ...] = ()
    choice: Choice = EVERY_FILE

    def documents(self) -> Iterator[Document]:
        """Read them; what cannot be read is left out. Without paths, docstrings of packages."""
        if not self.paths:
            documents = library_documents(_PACKAGES, "purelib")
            yield from sorted(documents, key=lambda document: _drawn(document.source))
            return
        files = [found for found in discover(self.paths, self.choice) if isinstance(found, Path)]
        for file in sorted(files, key=_drawn):
            yield from (each for each in read(file) if isinstance(each, Document))


KINDS = (
    Kind("nodejs", ("/usr/share/doc/nodejs/api",), Choice(("*.md",))),
    Kind(
        "other packages of Debian",
        ("/usr/share/doc",),
        Choice(_FORMATS, ("git", "libxslt1-dev", "nodejs/api/*", *_NO_DOCUMENTATION)),
    ),
    Kind(
        "manual pages",
        tuple(f"/usr/share/man/man{section}" for section in (1, 5, 7, 8)),
        Choice(exclude=("gcloud*", "kubectl*", "git*")),
    ),
    Kind("docstrings of packages"),
)


def unseen_passages(each: int = OF_EACH_KIND) -> list[Segment]:
    """``each`` passages of every kind, or as many as there are, by id, which is a hash."""
    found = [segment for kind in KINDS for segment in islice(_passages(kind.documents()), each)]
    return sorted(found, key=lambda segment: segment.id)


def _passages(documents: Iterable[Document]) -> Iterator[Segment]:
    segmenter, seen = Segmenter(), set[str]()
    for document in documents:
        outcomes = asyncio.run(segmenter.handle(document))
        kept = [outcome for outcome in outcomes if isinstance(outcome, Segment)]
        for segment in sorted(kept, key=lambda segment: segment.id)[:_OF_A_DOCUMENT]:
            if segment.id not in seen:
                seen.add(segment.id)
                yield segment


def _drawn(name: Path | str) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()
