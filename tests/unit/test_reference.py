"""The reference is what the code gives, and the site reaches every page."""

import re
from pathlib import Path

import pytest

from documentation.links import faults
from documentation.reference.__main__ import stale
from documentation.site import ROOT, linked_files, pages


def test_the_reference_is_current() -> None:
    assert not stale(), "run `make reference`"


def test_the_navigation_has_the_pages() -> None:
    """Results and decisions are reached from their lists."""
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert all((ROOT / name).exists() for name in named)
    lists = [ROOT / "docs" / folder / "README.md" for folder in ("results", "decisions")]
    reached = {ROOT / name for name in named} | {
        file for page in lists for file in linked_files(page)
    }
    missing = [page.relative_to(ROOT).as_posix() for page in pages() if page not in reached]
    assert not missing, "name them in the navigation of mkdocs.yml"


_FAULTS = {
    '<a href="b.html#there">': [],
    '<a href="b.html#gone">': [
        "a.html: links to b.html#gone, but no heading of that page has this anchor"
    ],
    '<a href="c.html">': ["a.html: links to c.html, which does not exist"],
    '<img src="c.svg">': ["a.html: links to c.svg, which does not exist"],
    '<script src="https://cdn.example.org/a.js">': [
        "a.html: loads https://cdn.example.org/a.js, which is on another server"
    ],
    '<a href="https://example.org/">': [],
    '<a href="../../outside.html">': ["a.html: links to ../../outside.html, which does not exist"],
}


@pytest.mark.parametrize("element", _FAULTS)
def test_a_broken_link_is_a_fault(element: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(element)
    (tmp_path / "b.html").write_text('<h2 id="there">There</h2>')
    assert list(faults(tmp_path)) == _FAULTS[element]
