"""Sources of other packages: entry points of ``backstream.sources``.

The name of an entry point says what it reads: ``wiki`` the addresses ``wiki://…``, ``.org`` the
files with this extension. A package is imported when something of the kind is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from schemas.errors import PluginError, SourceError, SourceUnavailable
from schemas.records import Document
from streams.data.sources.columns import make_document
from streams.data.sources.formats import COMPRESSED, EXTENSIONS
from streams.data.sources.plugin import Page

GROUP = "backstream.sources"
_OWN = {*EXTENSIONS, *COMPRESSED, "file", "http", "https"}
"""What Backstream reads itself."""


@dataclass(frozen=True, slots=True)
class PluggedSource:
    """An address or a file that another package reads."""

    where: str
    point: EntryPoint

    def __str__(self) -> str:
        return self.where

    def read(self) -> Iterator[Document | SourceError]:
        """Its documents, and an error for each that is none, or where its code fails."""
        try:
            for page in load(self.point)(self.where):
                yield _document(self.where, page)
        except SourceError as error:
            yield error
        except PluginError as error:
            yield SourceUnavailable(f"{self.where}: {error}")
        except (Exception, SystemExit) as error:  # another's code raises anything
            yield SourceUnavailable(f"{self.where}: {self.point.value} failed: {error!r}")


def installed_sources() -> Mapping[str, EntryPoint]:
    """The entry points that can be used, by what they read: a scheme, or an extension.

    Where several packages read the same, none of them is used.
    """
    found: dict[str, list[EntryPoint]] = {}
    for each in entry_points(group=GROUP):
        found.setdefault(each.name, []).append(each)
    return {name: one[0] for name, one in found.items() if len(one) == 1 and name not in _OWN}


def unusable_sources() -> list[str]:
    """Why entry points of this group are not used. Imports all of them."""
    faults: list[str] = []
    usable = installed_sources()
    for each in entry_points(group=GROUP):
        if each.name in _OWN:
            faults.append(f"{each.name}: Backstream reads it itself")
        elif each.name not in usable:
            faults.append(f"{each.name}: several packages read it; uninstall all but one")
        else:
            try:
                load(each)
            except PluginError as error:
                faults.append(f"{each.name}: {error}")
    return sorted({*faults})


def source_of_address(
    address: str, sources: Mapping[str, EntryPoint] | None = None
) -> PluggedSource | None:
    """The source of another package that reads an address; None where there is none."""
    scheme, is_address, _ = address.partition("://")
    point = (installed_sources() if sources is None else sources).get(scheme.lower())
    return PluggedSource(address, point) if is_address and point else None


def source_of_file(
    file: Path, sources: Mapping[str, EntryPoint] | None = None
) -> PluggedSource | None:
    """The source of another package that reads a file; None where there is none."""
    point = (installed_sources() if sources is None else sources).get(file.suffix.lower())
    return PluggedSource(str(file), point) if file.suffix and point else None


def load(point: EntryPoint) -> Callable[[str], Iterable[Page]]:
    """Import a source. Raises PluginError where that fails or it is no function."""
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(f"{point.value} cannot be imported: {error!r}") from error
    if not callable(found):
        raise PluginError(f"{point.value} is no function")
    return found


def _document(where: str, page: object) -> Document | SourceError:
    if not isinstance(page, Page):
        return SourceError(f"{where}: {page!r:.80} is no Page")
    try:
        return make_document(
            page.text,
            source=page.source,
            where=page.source,
            media_type=page.media_type,
            title=page.title,
            context=page.context,
        )
    except (ValueError, TypeError, AttributeError) as error:  # no texts, or half of a pair
        return SourceError(f"{where}: a page cannot be a document: {error}")
