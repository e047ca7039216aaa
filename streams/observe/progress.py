"""Live progress: a table on a terminal; elsewhere a line every five seconds, of what changes."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from schemas.release import ReleaseStatus
from streams.observe.lag import Flow, StageLag
from streams.observe.rates import Rates
from streams.quantities import as_duration

STOPPING = "stopping: what is in flight is finished first; Ctrl-C again stops at once"
_LINE_SECONDS = 5.0
_IDLE_LINE_SECONDS = 60.0
"""Between two lines where nothing changes."""


class Progress:
    """Shows the flow and events. Use as a context manager."""

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._rates = Rates(clock)
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True)
            if self._console.is_terminal
            else None
        )
        self._printed = float("-inf")
        self._shown: tuple[Flow, str] | None = None
        self._training = ""
        self._training_began: float | None = None

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(
            f"{time.strftime('%H:%M:%S')}  {line}", highlight=False, markup=False, soft_wrap=True
        )

    def flow(self, flow: Flow) -> None:
        """Show the present flow."""
        self._rates.update(flow)
        if self._live:
            self._shown = (flow, self._training)
            self._live.update(self._table(flow))
            return
        changed = (flow, self._training) != self._shown
        if self._clock() - self._printed >= (_LINE_SECONDS if changed else _IDLE_LINE_SECONDS):
            self._printed, self._shown = self._clock(), (flow, self._training)
            self.note(self._line(flow))

    def training(self) -> None:
        """Show every few seconds how far a training run is, where no flow is shown meanwhile.

        To be called several times a second.
        """
        if self._live:
            if self._shown:
                self._live.update(self._table(self._shown[0]))
        elif self._clock() - self._printed >= _LINE_SECONDS:
            self._printed = self._clock()
            if self._training_began is None:
                self.note("the trainer prepares the training")
                return
            taken = _minutes(self._clock() - self._training_began)
            self.note(f"{self._training or 'training'}, {taken} so far")

    def event(self, event: Mapping[str, Any]) -> None:
        """Show an event of a process."""
        kind, process = event["event"], event.get("process", "")
        if kind == "step":
            self._training = (
                f"training: step {event['step']} of {event['steps']}, loss {event['loss']:.3f}, "
                f"{event['tokens_per_second']:,.0f} tokens/s, "
                f"{_minutes(event['seconds_left'])} left"
            )
            return
        if kind == "working":
            self._training = f"training: {event['text']}"
            return
        if kind == "note":
            self.note(event["text"])
            return
        self._training = ""
        if kind == "training":
            self._training_began = self._clock()
        texts = {
            "loading": "{process} loads {release}",
            "ready": "{process} is ready, serving {release}",
            "serving": "{process} serves {release}, loaded in {seconds} s while the stream went on",
            "following": "{process} follows the curated examples",
            "fenced": "{process} has ended: {error}",
            "training": "trainer: training on {examples} curated examples and the seeds",
            "started": "trainer: {sequences} sequences of {examples} examples and {seeds} seeds",
            "precision": "trainer: computes in {precision}: {reason}",
            "evaluated": "trainer: evaluated on held-out pairs, the {model} model",
            "released": "trainer: release {id} written",
            "announced": "trainer: release {release} is {verdict}: {reason}",
            "page": "the page is at {url}",
            "failed": "{process} failed: {error}",
            "died": "{process} ended with code {exit_code}; starting it again",
        }
        if kind in texts:
            verdict = ReleaseStatus(event["status"]).in_words if "status" in event else ""
            self.note(texts[kind].format(**{"process": process, "verdict": verdict, **event}))

    def _line(self, flow: Flow) -> str:
        parts = []
        for stage in _with_work(flow):
            rate = self._rates.per_second.get(stage.stage, 0.0)
            to_do = f", {stage.lag:,} to do" if stage.lag else ""
            parts.append(f"{stage.stage} {stage.done:,} done{to_do}, {rate:.1f}/s")
        parts.append(f"curated {flow.examples or 0:,}")
        if (left := self._rates.seconds_left(flow)) is not None:
            parts.append(f"about {as_duration(left)} left at this rate")
        return " | ".join([*parts, *([self._training] if self._training else [])])

    def _table(self, flow: Flow) -> Table:
        table = Table(title=self._training or None, title_justify="left")
        for heading in ("stage", "reads", "done", "to do", "a second"):
            table.add_column(heading, justify="left" if heading in ("stage", "reads") else "right")
        for stage in _with_work(flow):
            rate = self._rates.per_second.get(stage.stage, 0.0)
            table.add_row(
                stage.stage, stage.topic, f"{stage.done:,}", f"{stage.lag:,}", f"{rate:.1f}"
            )
        counts = {"curated": flow.examples or 0}
        counts |= {topic: flow.messages.get(topic, 0) for topic in ("rejected", "dead-letters")}
        for name, count in counts.items():
            table.add_row("", name, f"{count:,}", "", "", style="dim")
        return table


def _with_work(flow: Flow) -> list[StageLag]:
    """The stages whose source holds anything."""
    return [stage for stage in flow.stages if stage.done or stage.lag]


def _minutes(seconds: float) -> str:
    """A time as text, such as ``2:05`` minutes."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"
