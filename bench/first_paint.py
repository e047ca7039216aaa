"""Times what a person waits for on the live page with 100,000 items, in Chromium.

    python -m bench.first_paint --file /tmp/page.sqlite     # a store that bench.page has filled
    python -m bench.first_paint --runs 20

First paint is the browser's own figure (``first-contentful-paint``), from the start of the
navigation; a filter is timed from the navigation to the end of the answer, and to the paint of the
new list. Each run opens every page once, in an order that is shuffled, in a browser context of its
own, so that nothing is cached.
"""

import argparse
import random
import statistics
import threading
from pathlib import Path
from typing import cast

from playwright.sync_api import Browser

from bench.chromium import chromium
from bench.page import fill
from bench.report import describe_machine, machine
from streams.page.store.store import Store
from streams.page.web.acting import Actions
from streams.page.web.serving import PageServer, listening_on
from streams.settings.page import PageSettings

PAGES = {
    "flow": "/",
    "items": "/items",
    "filter: refused": "/items?verdict=refused",
    "filter: reason": "/items?verdict=refused&stage=curator&reason=novelty",
    "filter: score from 3 to 4, best first": "/items?min_score=3&max_score=4&order=best",
    "filter: language and text": "/items?language=en&text={word}",
    "one item": "/item?id=e1000",
    "rate": "/rate",
    "releases": "/releases",
    "dead letters": "/letters",
}
_TIMES = """async () => {
  const paint = await new Promise((done) => {
    new PerformanceObserver((list) => {
      list.getEntriesByName("first-contentful-paint").forEach((one) => done(one.startTime));
    }).observe({ type: "paint", buffered: true });
  });
  const [navigation] = performance.getEntriesByType("navigation");
  return [paint, navigation.responseEnd];
}"""


def measure(browser: Browser, origin: str, word: str, runs: int) -> None:
    """Print a table."""
    order = random.Random(0)
    paints: dict[str, list[float]] = {name: [] for name in PAGES}
    answers: dict[str, list[float]] = {name: [] for name in PAGES}
    for run in range(runs + 1):
        for name in order.sample([*PAGES], len(PAGES)):
            context = browser.new_context()
            page = context.new_page()
            page.goto(origin + PAGES[name].format(word=word), wait_until="load")
            paint, answer = cast(tuple[float, float], page.evaluate(_TIMES))
            if run:  # the first one warms the file's cache
                paints[name].append(paint)
                answers[name].append(answer)
            context.close()
    print("| page | answer p50, ms | p95 | first paint p50, ms | p95 |")
    print("|---|---|---|---|---|")
    for name in PAGES:
        figures = [
            figure
            for times in (answers[name], paints[name])
            for figure in (statistics.median(times), _percentile(times, 0.95))
        ]
        print(f"| {name} | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |")


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Serve a store, and time its pages."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.first_paint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--file", type=Path, help="a store to fill, or one that was filled")
    options = parser.parse_args()
    print(describe_machine(machine()))
    settings = PageSettings(listen="127.0.0.1:0")
    with Store(options.file) as store, listening_on(settings.address) as listening:
        word = fill(store, options.items)
        print(f"\n{store.items().total:,} items\n")
        server = PageServer(listening, store, cast(Actions, None), settings)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            with chromium() as browser:
                measure(browser, server.url.rstrip("/"), word, options.runs)
        finally:
            server.stop()
            thread.join()


if __name__ == "__main__":
    main()
