"""The links of built pages: each leads to a file and an anchor, and nothing is loaded from afar."""

from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("object", "data"),
}
"""What a browser loads with a page. A canonical address is no such link."""


class _Page(HTMLParser):
    """The links of a page, what it loads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        for name, value in given.items():
            if (tag, name) in _LOADED and given.get("rel") not in ("canonical", "prev", "next"):
                self.loads.append(value)


@cache
def _read(file: Path) -> _Page:
    page = _Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong with the links of the pages below ``site``, a line each."""
    for file in sorted(site.rglob("*.html")):
        page, name = _read(file), file.relative_to(site).as_posix()
        if file.name == "404.html":  # is served at any address, so its links are absolute
            continue
        for address in page.loads:
            if urlsplit(address).netloc:
                yield f"{name}: loads {address}, which is on another server"
            elif fault := _fault(site, file, address):
                yield f"{name}: {fault}"
        for address in page.links:
            if fault := _fault(site, file, address):
                yield f"{name}: {fault}"


def _fault(site: Path, file: Path, address: str) -> str | None:
    """What is wrong with a link of a page; None for one to another server."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site) or not target.exists():
        return f"links to {address}, which does not exist"
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and anchor not in _read(target).anchors:
        return f"links to {address}, but no heading of that page has this anchor"
    return None
