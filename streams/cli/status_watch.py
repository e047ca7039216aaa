"""``status --watch``: the status again every few seconds, until Ctrl-C."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streams.cli.status import Status

_SECONDS = 2.0
"""Between two readings on a terminal, where the status replaces the one before."""
_LINE_SECONDS = 5.0
"""Between two lines elsewhere."""


def watch(
    read: Callable[[], Status],
    console: Console | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Show the status until a signal ends it: in place on a terminal, elsewhere a line each time.

    What stands in the way has a line of its own when it changes. Raises what ``read`` raises.
    """
    console = console or Console()
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
            while True:
                status = read()
                at = time.strftime("%H:%M:%S")
                live.update(Text(f"{at}  {status.summary()}\n{status.as_text()}"), refresh=True)
                pause(_SECONDS)
    shown: list[str] = []
    while True:
        status = read()
        at = time.strftime("%H:%M:%S")
        print(f"{at}  {status.summary()}", flush=True)
        for line in status.in_the_way:
            if line not in shown:
                print(f"{at}  in the way: {line}", flush=True)
        shown = list(status.in_the_way)
        pause(_LINE_SECONDS)
