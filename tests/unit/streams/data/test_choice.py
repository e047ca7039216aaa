"""Which files are read: ``--include`` and ``--exclude``."""

from pathlib import Path, PurePath

import pytest

from schemas.text import PassedOver
from streams.data.sources import Choice, discover, format_of


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("changelog*", ["changelog.html", "docs/changelog-2.html", "changelogs/a.html"]),
        ("RelNotes", ["docs/RelNotes/1.txt", "RelNotes/a/b.txt"]),
        ("docs/*.html", ["docs/a.html", "/usr/docs/a.html", "docs/b/a.html"]),
        ("**/RelNotes/*", ["docs/RelNotes/1.txt", "RelNotes/a/b.txt"]),
        ("./docs/a.html", ["docs/a.html"]),
        ("[ab].html", ["docs/a.html", "b.html"]),
    ],
)
def test_a_glob_is_compared_with_names_or_with_the_end_of_the_path(
    glob: str, matches: list[str]
) -> None:
    others = ["docs/a.htm", "my-changelog.html", "docs/RelNotes.txt", "docsx/c.html"]
    for path in matches:
        assert Choice(exclude=[glob]).refuse(PurePath(path)) == f"excluded by {glob}"
        assert Choice(include=[glob]).refuse(PurePath(path)) is None
    for path in others:
        assert Choice(exclude=[glob]).refuse(PurePath(path)) is None
        assert Choice(include=[glob]).refuse(PurePath(path)) == "not included"


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("README.Debian", "text"),
        ("README.Debian.gz", "text"),
        ("README.1ST", "text"),
        ("changelog.Debian.gz", "text"),
        ("LICENSE.Apache-2.0", "text"),
        ("LICENSE.MIT", "text"),
        ("COPYING.LIB", "text"),
        ("INSTALL", "text"),
        ("INSTALL.linux", "text"),
        ("README.md", "markdown"),
        ("README.png", None),
        ("INSTALL.zip", None),
        ("changes.db", None),
        ("READMES.Debian", None),
        ("backstream.1", "man"),
    ],
)
def test_a_name_that_texts_have_is_a_text_for_whomever_it_is(name: str, format: str | None) -> None:
    assert format_of(PurePath(name)) == format


def test_what_is_excluded_is_excluded_whatever_is_included() -> None:
    choice = Choice(include=["*.html", "*.md"], exclude=["changelog*"])
    assert choice.refuse(PurePath("a.html")) is None
    assert choice.refuse(PurePath("a.md")) is None
    assert choice.refuse(PurePath("a.txt")) == "not included"
    assert choice.refuse(PurePath("changelog.html")) == "excluded by changelog*"


def test_files_that_are_not_chosen_are_passed_over_by_name(tmp_path: Path) -> None:
    for name in ("a.md", "changelog.md", "RelNotes/1.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    found = list(discover([str(tmp_path)], Choice(exclude=["changelog*", "RelNotes"])))
    assert [path for path in found if isinstance(path, Path)] == [tmp_path / "a.md"]
    assert {one.where: one.reason for one in found if isinstance(one, PassedOver)} == {
        str(tmp_path / "changelog.md"): "excluded by changelog*",
        str(tmp_path / "RelNotes" / "1.md"): "excluded by RelNotes",
    }
