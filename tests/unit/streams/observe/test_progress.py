"""Progress: lines where there is no terminal, and a table where there is one."""

import io
from typing import Any

import pytest
from rich.console import Console

from streams.observe.lag import Flow, StageLag
from streams.observe.progress import Progress


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _flow(done: int, lag: int = 0, examples: int | None = None, **messages: int) -> Flow:
    return Flow(
        messages,
        [
            StageLag("segmenter", "documents", done, lag),
            StageLag("backward", "segments", 2 * done, lag),
        ],
        examples,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def progress(clock: Clock, out: io.StringIO) -> Progress:
    return Progress(Console(file=out, width=200, force_terminal=False), clock)


def test_without_a_terminal_there_is_a_line_every_few_seconds(
    progress: Progress, clock: Clock, out: io.StringIO
) -> None:
    with progress:
        progress.flow(_flow(0, 1_234, examples=7, curated=9))
        for _ in range(12):
            clock.now += 1
            progress.flow(_flow(int(clock.now)))
    lines = out.getvalue().splitlines()
    assert len(lines) == 3, "at 0, 5 and 10 seconds"
    assert (
        "segmenter 0 done, 1,234 to do, 0.0/s | backward 0 done, 1,234 to do, 0.0/s | curated 7"
        in lines[0]
    )
    assert "\x1b" not in out.getvalue()


def test_a_line_has_the_stages_with_work_and_how_long_it_takes(
    progress: Progress, clock: Clock, out: io.StringIO
) -> None:
    idle = StageLag("answerer", "questions", 0, 0)
    for done in (0, 40):
        stages = [StageLag("segmenter", "documents", done, 600 - done), idle]
        progress.flow(Flow({}, stages, 1))
        clock.now += 20
    lines = [line.split("  ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines == [
        "segmenter 0 done, 600 to do, 0.0/s | curated 1",
        "segmenter 40 done, 560 to do, 2.0/s | curated 1 | about 4.67 min left at this rate",
    ]


def test_without_a_terminal_what_does_not_change_is_a_line_a_minute(
    progress: Progress, clock: Clock, out: io.StringIO
) -> None:
    for _ in range(100):
        progress.flow(_flow(10))
        clock.now += 1
    assert len(out.getvalue().splitlines()) == 2
    progress.flow(_flow(11))
    assert len(out.getvalue().splitlines()) == 3


def test_events_are_lines_that_stay(progress: Progress, out: io.StringIO) -> None:
    events: list[dict[str, Any]] = [
        {"event": "loading", "process": "worker-1", "release": "house-1"},
        {"event": "ready", "process": "worker-1", "release": "house-1", "metrics_port": None},
        {"event": "training", "examples": 12},
        {"event": "evaluated", "model": "new", "metrics": {}},
        {"event": "released", "id": "r-1", "directory": "/x"},
        {
            "event": "announced",
            "release": "r-1",
            "status": "kept",
            "reason": "held-out NLL did not fall",
        },
        {"event": "failed", "process": "trainer", "error": "[red]no[/red] disk"},
        {"event": "died", "process": "worker-1", "exit_code": -9},
    ]
    for event in events:
        progress.event(event)
    lines = [line.split("  ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines == [
        "worker-1 loads house-1",
        "worker-1 is ready, serving house-1",
        "trainer: training on 12 curated examples and the seeds",
        "trainer: evaluated on held-out pairs, the new model",
        "trainer: release r-1 written",
        "trainer: release r-1 is kept back: held-out NLL did not fall",
        "trainer failed: [red]no[/red] disk",
        "worker-1 ended with code -9; starting it again",
    ]


def test_the_time_of_a_run_is_counted_from_its_beginning(
    progress: Progress, clock: Clock, out: io.StringIO
) -> None:
    clock.now += 240
    progress.training()
    progress.event({"event": "training", "examples": 12})
    clock.now += 5
    progress.training()
    lines = [line.split("  ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines[0] == "the trainer prepares the training"
    assert lines[-1] == "training, 0:05 min so far"


def test_while_a_run_trains_there_is_a_line_every_few_seconds(
    progress: Progress, clock: Clock, out: io.StringIO
) -> None:
    progress.event({"event": "training", "examples": 12})
    for second in range(11):
        clock.now += 1
        if second == 7:
            progress.event({"event": "working", "text": "measuring: 8 of 16 held-out pairs"})
        progress.training()
    lines = [line.split("  ", 1)[1] for line in out.getvalue().splitlines()[1:]]
    assert lines == [
        "training, 0:01 min so far",
        "training, 0:06 min so far",
        "training: measuring: 8 of 16 held-out pairs, 0:11 min so far",
    ]


def test_an_event_of_a_newer_process_is_passed_over(progress: Progress, out: io.StringIO) -> None:
    progress.event({"event": "danced"})
    assert out.getvalue() == ""


def test_a_training_step_stands_in_the_next_line_until_it_is_over(
    progress: Progress, clock: Clock, out: io.StringIO
) -> None:
    progress.event(
        {
            "event": "step",
            "step": 3,
            "steps": 40,
            "loss": 2.34567,
            "tokens_per_second": 1234.5,
            "seconds_left": 125.9,
        }
    )
    progress.flow(_flow(0))
    assert "training: step 3 of 40, loss 2.346, 1,234 tokens/s, 2:05 min left" in out.getvalue()
    progress.event({"event": "released", "id": "r-1"})
    clock.now += 10
    progress.flow(_flow(0))
    assert "step" not in out.getvalue().splitlines()[-1]


def test_on_a_terminal_there_is_a_table(clock: Clock, out: io.StringIO) -> None:
    console = Console(file=out, width=120, force_terminal=True)
    with Progress(console, clock) as progress:
        progress.flow(_flow(3, 4, examples=5, **{"dead-letters": 6}))
        progress.note("a line that stays")
    shown = out.getvalue()
    for text in (
        "segmenter",
        "documents",
        "backward",
        "dead-letters",
        "to do",
        "a line that stays",
    ):
        assert text in shown
