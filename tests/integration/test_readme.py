"""The README's Python blocks, run by an interpreter that cannot import the project."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from streams.replay import replay
from tests.integration.conftest import passage, wait_until_idle

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.DOTALL)


def run_alone(code: str, broker: str, directory: Path) -> str:
    """Run with the site packages only: isolated mode, and the project's finder taken out."""
    alone = "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n" + code
    done = subprocess.run(
        [sys.executable, "-I", "-c", alone.replace("localhost:9092", broker)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_strangers_producer_and_consumer(settings, start_worker):
    produce, consume = BLOCKS
    broker = settings.kafka.bootstrap_servers
    with tempfile.TemporaryDirectory() as directory:
        bodies = (passage(number).split("\n\n")[1:] for number in range(8))  # several: the model refuses some
        sections = "".join(f"<h1>A note</h1>{''.join(f'<p>{p}</p>' for p in body)}" for body in bodies)
        (Path(directory) / "page.html").write_text(f"<html><body>{sections}</body></html>")
        run_alone(produce, broker, Path(directory))
        start_worker().wait_until_ready()
        wait_until_idle(settings, 1)
        kept = sum(1 for _ in replay(settings.kafka.client(), "curated"))
        assert 1 <= kept <= 8
        # The README's consumer follows for ever; here it ends when nothing comes.
        once = consume.replace('auto_offset_reset="earliest"', 'auto_offset_reset="earliest", consumer_timeout_ms=5000')
        printed = run_alone(once, broker, Path(directory))
        assert len(printed.splitlines()) == kept
