"""One file for each group of targets. ``TARGETS`` names them all."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz.target import Target
from tests.fuzz.targets.batches import FetchedBatches
from tests.fuzz.targets.curation import Curation
from tests.fuzz.targets.files import (
    ManifestFile,
    RatingsFile,
    ReleaseDirectories,
    SeedsFile,
    WeightsIndex,
)
from tests.fuzz.targets.formats import Formats
from tests.fuzz.targets.gguf_files import GgufFiles
from tests.fuzz.targets.intake import Bodies, Feeds
from tests.fuzz.targets.page import LivePage
from tests.fuzz.targets.passages import HtmlPages, MarkdownTexts, PlainTexts
from tests.fuzz.targets.settings import SettingsSources
from tests.fuzz.targets.sources import (
    Archives,
    CsvFiles,
    JsonFiles,
    JsonLines,
    ParquetFiles,
    TextFiles,
)
from tests.fuzz.targets.topics import Announcements, CuratedMessages, DeadLetters, Readers
from tests.fuzz.targets.wire import Documents, Records

TARGETS: Mapping[str, Callable[[Path], Target]] = {
    "records": Records,
    "documents": Documents,
    "readers": Readers,
    "dead_letters": DeadLetters,
    "announcements": Announcements,
    "batches": FetchedBatches,
    "curated_set": CuratedMessages,
    "live_page": LivePage,
    "json_lines": JsonLines,
    "json": JsonFiles,
    "csv": CsvFiles,
    "parquet": ParquetFiles,
    "formats": Formats,
    "warc": Archives,
    "texts": TextFiles,
    "bodies": Bodies,
    "feeds": Feeds,
    "seeds": SeedsFile,
    "ratings_file": RatingsFile,
    "manifests": ManifestFile,
    "releases": ReleaseDirectories,
    "weights_index": WeightsIndex,
    "gguf": GgufFiles,
    "html": HtmlPages,
    "markdown": MarkdownTexts,
    "plain_text": PlainTexts,
    "curation": Curation,
    "settings": SettingsSources,
}
"""Name to constructor. It takes a directory of the target's own, for files."""
