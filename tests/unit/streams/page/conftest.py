"""The browser of the tests of the live page, and a page for each of them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from bench.chromium import chromium
from streams.page.store.store import Store
from tests.unit.streams.page.served import Filled, served
from tests.unit.streams.page.stream import fill


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=60_000)  # milliseconds; on a slow machine 5 s are not enough
    with chromium() as started:
        yield started


@pytest.fixture
def stream() -> Iterator[Filled]:
    """A page that the test may change."""
    with Store() as store, served(store) as page:
        fill(page.topics, 6)
        yield page
