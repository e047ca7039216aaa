"""``status --watch``: the status again every few seconds, until Ctrl-C."""

import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from schemas.errors import BrokerError
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

    What stands in the way has a line of its own when it changes. A broker that goes away is waited
    for. Raises what ``read`` raises the first time.
    """
    console = console or Console()
    readings = _readings(read)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
            for found in readings:
                text = found.as_text() if isinstance(found, Status) else ""
                live.update(Text(f"{_summary(found)}\n{text}".rstrip()), refresh=True)
                pause(_SECONDS)
    shown: list[str] = []
    for found in readings:
        if isinstance(found, Status):
            print(_summary(found), flush=True)
            in_the_way = [f"in the way: {line}" for line in found.in_the_way]
        else:
            in_the_way = [str(found)]
        for line in in_the_way:
            if line not in shown:
                print(f"{_now()}  {line}", flush=True)
        shown = in_the_way
        pause(_LINE_SECONDS)


def _readings(read: Callable[[], Status]) -> Iterator[Status | BrokerError]:
    """Readings without end: a status, or why there is none."""
    yield read()
    while True:
        try:
            found: Status | BrokerError = read()
        except BrokerError as error:
            found = error
        yield found


def _summary(found: Status | BrokerError) -> str:
    return f"{_now()}  {found.summary() if isinstance(found, Status) else found}"


def _now() -> str:
    return time.strftime("%H:%M:%S")
