"""Makes the pictures of the live page that the documentation shows.

    make screenshots                                # docs/images/page-*.png; needs Chromium

A stream of its own in a temporary directory: the house model on a part of CPython's documentation,
the same that ``backstream demo`` feeds. A minute or two on two cores.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from playwright.sync_api import Page

from bench.chromium import chromium
from streams.data.feed import feed
from streams.run.demo.documents import demo_documents
from streams.settings import Settings

_ROOT = Path(__file__).parents[1]
_START_SECONDS, _STREAM_SECONDS = 120.0, 300.0


@contextmanager
def stream(state: Path, documents: int) -> Iterator[str]:
    """Run a stream with a page; yield the page's address."""
    log = state / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streams", "up", "--page", "--no-training"),
                *("--state-dir", str(state / "state"), "-s", "page.listen=127.0.0.1:0"),
            ],
            cwd=_ROOT,
            stderr=output,
            stdout=output,
        )
    try:
        broker = _logged(log, process, r"broker at (\S+);")
        address = _logged(log, process, r"the page is at (\S+)/")
        settings = Settings().with_broker(broker)
        feed(settings.kafka.cluster(), islice(demo_documents(few=True), documents))
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _logged(log: Path, process: "subprocess.Popen[bytes]", pattern: str) -> str:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.2)
    raise SystemExit(f"the stream did not start:\n{log.read_text()}")


def shoot(address: str, folder: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        wide = browser.new_page(viewport={"width": 1200, "height": 640})
        wide.goto(address)
        wide.get_by_text("Stages are at work").wait_for(timeout=1000 * _STREAM_SECONDS)
        accepted = wide.locator("p", has_text=re.compile(r"[1-9]\d*\s+accepted example"))
        accepted.wait_for(timeout=1000 * _STREAM_SECONDS)
        wide.locator(".moving").nth(2).wait_for(state="attached", timeout=1000 * _STREAM_SECONDS)
        wide.wait_for_timeout(4000)  # the counts of topics are read less often than the items
        _take(wide, folder / "page-flow.png")
        wide.get_by_text("Every stage has processed").wait_for(timeout=1000 * _STREAM_SECONDS)
        for grade in "45241352":
            wide.goto(f"{address}/rate")
            wide.get_by_role("button", name=f"Rate {grade} of 5").click()
            wide.get_by_text("Rated.").wait_for()
        wide.goto(f"{address}/items?order=best")
        _take(wide, folder / "page-items.png")
        wide.keyboard.press("j")
        wide.keyboard.press("Enter")
        wide.get_by_role("heading", name="Where it is from").wait_for()
        _take(wide, folder / "page-item.png")
        wide.goto(f"{address}/releases")
        _take(wide, folder / "page-releases.png")
        phone = browser.new_page(
            viewport={"width": 360, "height": 640}, color_scheme="dark", is_mobile=True
        )
        phone.goto(f"{address}/rate")
        _take(phone, folder / "page-rate.png")


def _take(page: Page, file: Path) -> None:
    page.screenshot(path=file, animations="disabled")
    print(f"{file}  {file.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Run a stream, and write the pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.screenshots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=_ROOT / "docs" / "images")
    parser.add_argument("--documents", type=int, default=40, help="how many are fed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state, stream(Path(state), options.documents) as address:
        shoot(address, options.folder)


if __name__ == "__main__":
    main()
