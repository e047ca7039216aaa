"""Sources of other packages: found by real entry points, by scheme and by extension."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.errors import SourceError, SourceUnavailable
from schemas.records import Document
from schemas.text import PassedOver
from streams.cli.documents import read_documents
from streams.cli.probes import probe_sources
from streams.data.questions import read_questions
from streams.data.tally import Tally
from streams.intake.watch.fed import Fed
from streams.intake.watch.opening import Reading, source_of
from streams.intake.watch.source import Item
from streams.settings import Settings
from tests.plugin_package import blocks, entry_points, install

_TEXT = "2026-11-26\nIt rained.\n2026-11-27\nThe sun shone.\n"
_Installed = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Installed]:
    def put(points: str, files: dict[str, str], name: str = "example") -> None:
        directory = tmp_path / f"package-{name}"
        directory.mkdir()
        install(directory, files, points, name)
        monkeypatch.syspath_prepend(str(directory))

    yield put
    import sys

    for module in ("diary", "bad"):
        sys.modules.pop(module, None)


def _read(*names: str) -> list[Document | SourceError]:
    return list(read_documents(names, None, None, Tally()))


def test_an_address_and_a_file_are_read_by_the_package(
    installed: _Installed, tmp_path: Path
) -> None:
    file = tmp_path / "notes" / "a.diary"
    file.parent.mkdir()
    file.write_text(_TEXT)
    assert isinstance(_read(str(file))[0], SourceError)
    installed(entry_points(), blocks())
    documents = _read(f"diary://{file}")
    assert [each.text for each in documents if isinstance(each, Document)] == [
        "It rained.",
        "The sun shone.",
    ]
    assert documents[0].source == f"diary://{file}#2026-11-26"  # type: ignore[union-attr]
    assert len(_read(str(file))) == len(_read(str(file.parent))) == 2
    assert isinstance(next(iter(read_questions([f"diary://{file}"]))), SourceError)


def test_a_source_that_fails_is_an_error_and_the_others_are_read(
    installed: _Installed, tmp_path: Path
) -> None:
    code = (
        "from streams.data.sources.plugin import Page\n"
        "def read(where):\n"
        "    yield Page('a', 'text')\n"
        "    yield Page('b', '')\n"
        "    yield Page('c', 3)\n"
        "    yield Page('d', '\\ud800')\n"
        "    yield 'page'\n"
        "    yield Page('e', 'more')\n"
        "    raise SystemExit(1)\n"
    )
    installed("[backstream.sources]\nbad = bad:read\n", {"bad.py": code})
    other = tmp_path / "other.txt"
    other.write_text("Other.")
    found = _read("bad://x", str(other))
    assert [each.text for each in found if isinstance(each, Document)] == ["text", "more", "Other."]
    errors = [str(each) for each in found if isinstance(each, SourceError)]
    assert len(errors) == 5
    assert "SystemExit" in errors[-1]


def test_a_package_that_cannot_be_used_is_named_by_check(
    installed: _Installed, tmp_path: Path
) -> None:
    assert "none" in probe_sources(Settings())
    points = "[backstream.sources]\nhttp = diary:read\n.md = diary:read\ngone = gone:read\n"
    installed(points + "bad = bad:x\ndiary = diary:read\n", {**blocks(), "bad.py": "x = 1"})
    found = probe_sources(Settings())
    assert found.startswith("of other packages: diary; ")
    for named in (
        "http: Backstream reads it itself",
        ".md: Backstream reads it itself",
        "gone: gone:read cannot be imported",
        "bad: bad:x is no function",
    ):
        assert named in found
    installed("[backstream.sources]\ndiary = diary:read\n", {}, "other")
    assert "diary: several packages read it" in probe_sources(Settings())


def test_a_watched_address_gives_what_is_new(installed: _Installed, tmp_path: Path) -> None:
    installed(entry_points(), blocks())
    file = tmp_path / "a.diary"
    file.write_text(_TEXT)
    source = source_of(f"diary://{file}", Settings(), Reading())
    assert source.way == "package"
    with Fed(tmp_path, "", source.name, "cluster") as fed:
        items = list(source.items(fed))
        assert len(items) == 2
        for item in items:
            assert isinstance(item, Item)
            assert all(isinstance(each, Document) for each in item.read())
        file.write_text("2026-11-27\n\n")
        (passed,) = source.items(fed)
        assert isinstance(passed, PassedOver)
        file.unlink()
        with pytest.raises(SourceUnavailable, match="FileNotFoundError"):
            list(source.items(fed))
