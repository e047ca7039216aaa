from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from models.remote.usage import Usage
from schemas.errors import BrokerError
from streams.cli.obstacles import obstacles
from streams.cli.status import RemoteLimits, StageStatus, Status
from streams.cli.status_watch import watch
from streams.observe.acceptance import Acceptance
from streams.observe.lag import OtherStage


def _stage(name: str, lag: int = 0, rate: float = 0.0, workers: int = 1) -> StageStatus:
    return StageStatus(name, "documents", 10, lag, rate, workers, {}, {})


def _status(*stages: StageStatus, in_the_way: tuple[str, ...] = ()) -> Status:
    return Status(
        broker="kafka:9092",
        stages=stages,
        messages={"documents": 12, "curated": 0},
        release="house-1",
        refused={},
        pinned={},
        releases=0,
        deployed=0,
        rerating=None,
        remote={},
        remote_limits=RemoteLimits(None, None),
        acceptance=None,
        mix=None,
        dead_letters=0,
        in_the_way=in_the_way,
    )


def _acceptance(accepted: int) -> Acceptance:
    return Acceptance("house-1", "rated 4 or more", 20, accepted, None, None)


@pytest.mark.parametrize(
    ("stages", "summary"),
    [
        ((_stage("segmenter"), _stage("scorer")), "up to date · documents 12"),
        (
            (_stage("segmenter", 10, 5.0), _stage("scorer", 300, 1.0)),
            "310 to do, about 5 min left at this rate · documents 12",
        ),
        (
            (_stage("segmenter", 10, 5.0), _stage("scorer", 3)),
            "13 to do, and a stage does nothing · documents 12",
        ),
    ],
)
def test_the_summary_tells_what_is_left_for_the_slowest_stage(
    stages: tuple[StageStatus, ...], summary: str
) -> None:
    assert _status(*stages).summary() == summary


@pytest.mark.parametrize(
    ("releases", "deployed", "words"),
    [
        (0, 0, "no release is deployed: workers serve the model that they were started with"),
        (2, 0, "no release is deployed (2 releases kept back): workers serve the model"),
        (2, 1, "house-1 is deployed"),
    ],
)
def test_the_first_line_tells_what_is_deployed(releases: int, deployed: int, words: str) -> None:
    status = replace(_status(), releases=releases, deployed=deployed)
    assert f"broker kafka:9092, {words}" in status.as_text()


@pytest.mark.parametrize(
    ("stages", "letters", "accepted", "words"),
    [
        ((_stage("segmenter"), _stage("scorer")), 0, 5, []),
        ((_stage("segmenter", workers=0), _stage("scorer", workers=0)), 0, 5, ["no worker runs:"]),
        ((_stage("segmenter"), _stage("scorer", workers=0)), 0, 5, []),
        (
            (_stage("segmenter"), _stage("scorer", 4, workers=0)),
            0,
            5,
            ["4 messages wait on documents: no worker runs the scorer; start one"],
        ),
        ((_stage("segmenter"), _stage("scorer", 4)), 0, 5, ["scorer did nothing"]),
        ((_stage("segmenter"),), 1, 5, ["1 dead letter: `backstream dead-letters list`"]),
        ((_stage("segmenter"),), 0, 0, ["none of the last 20 ratings is accepted"]),
    ],
)
def test_each_obstacle_is_named(
    stages: tuple[StageStatus, ...], letters: int, accepted: int, words: list[str]
) -> None:
    found = [*obstacles(stages, letters, _acceptance(accepted), "--broker kafka:9092")]
    assert len(found) == len(words)
    for line, start in zip(found, words, strict=True):
        assert line.startswith(start)


def test_a_process_of_up_that_fails_again_and_again_is_named() -> None:
    stages = (_stage("segmenter", 3, workers=0),)
    (line,) = obstacles(stages, 0, None, "--broker a:1", failing={"worker-0": "no such file"})
    assert line == "worker-0 of `backstream up` ends and is started again: no such file"
    first, second = obstacles(stages, 0, None, "--broker a:1", failing={"page": "it is taken"})
    assert first.startswith("page of `backstream up` ends")
    assert second.startswith("no worker runs: ")


def test_a_stage_that_no_worker_runs_is_named_with_the_command_that_runs_it() -> None:
    stages = (_stage("segmenter"), _stage("answerer", 1, workers=0))
    (line,) = obstacles(stages, 0, None, "--broker kafka:9092")
    assert line.startswith("1 message waits on documents: no worker runs the answerer;")
    assert line.endswith("`backstream worker --broker kafka:9092 --stages answerer`")


def test_stages_that_the_settings_do_not_have_are_named() -> None:
    line, *more = _found(others=[OtherStage("rewriter", 1, {"curated": 12})])
    assert line.startswith("1 worker runs the stage rewriter, which is not shown here")
    assert "rewriting.enabled=true" in line
    assert not more
    (line,) = _found(others=[OtherStage("pairer", 0, {"curated": 12})])
    assert line.startswith("12 messages wait on curated for the stage pairer, which ran before")
    assert "preferences.enabled=true" in line
    (line,) = _found(others=[OtherStage("shouter", 0, {"segments": 1})])
    assert "agents.shouter" in line
    assert _found(others=[OtherStage("pairer", 0, {})]) == []


def _found(**given: Any) -> list[str]:
    return [*obstacles((_stage("segmenter"),), 0, None, "--broker kafka:9092", **given)]


def test_a_stream_without_any_message_says_to_feed_it() -> None:
    (line,) = _found(messages={"documents": 0, "segments": 0})
    assert line.startswith("nothing has been fed yet: `backstream feed")
    assert _found(messages={"documents": 0, "segments": 3}) == []


def test_refusals_for_one_reason_are_named_where_nothing_is_kept() -> None:
    (line,) = _found(refusals=["too_short"] * 25)
    assert "each of the last 25 refusals has the reason too_short" in line
    assert _found(refusals=["too_short"] * 24 + ["boilerplate"]) == []
    assert _found(refusals=["too_short"] * 3) == []


def test_a_budget_that_is_used_up_is_named_with_its_setting() -> None:
    used = {"forward": Usage(requests=1, prompt_tokens=90, completion_tokens=10)}
    spent = RemoteLimits(100, None).spent(used)
    (line,) = _found(budget=spent)
    assert "used up (remote.budget_tokens, 100)" in line
    assert RemoteLimits(101, None).spent(used) is None
    assert RemoteLimits(None, None).spent(used) is None


def test_the_text_ends_with_what_is_in_the_way() -> None:
    text = _status(_stage("segmenter", 3, workers=0), in_the_way=("no worker runs",)).as_text()
    assert "3 to do" in text
    assert "no worker runs it" in text
    assert "messages, and of curated examples:   documents 12   curated 0" in text
    assert text.endswith("in the way: no worker runs")


class _Stopped(Exception):
    pass


def test_without_a_terminal_watch_prints_a_line_each_time_and_obstacles_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    readings = iter(
        [
            _status(_stage("scorer", 2), in_the_way=("no worker runs",)),
            _status(_stage("scorer", 2), in_the_way=("no worker runs",)),
            _status(_stage("scorer")),
        ]
    )

    def read() -> Status:
        try:
            return next(readings)
        except StopIteration:
            raise _Stopped from None

    with pytest.raises(_Stopped):
        watch(read, Console(file=StringIO()), pause=lambda seconds: None)
    lines = [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 4
    assert lines.count("in the way: no worker runs") == 1
    assert lines[-1].startswith("up to date")


@pytest.mark.parametrize("terminal", [False, True])
def test_watch_waits_for_a_broker_that_goes_away(
    capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    away = BrokerError("no broker answers at kafka:9092")
    readings: Iterator[Status | Exception] = iter(
        [_status(_stage("scorer", 2)), away, away, _status(_stage("scorer")), _Stopped()]
    )

    def read() -> Status:
        found = next(readings)
        if isinstance(found, Status):
            return found
        raise found

    shown = StringIO()
    with pytest.raises(_Stopped):
        watch(read, Console(file=shown, force_terminal=terminal, width=100), lambda seconds: None)
    found = shown.getvalue() if terminal else capsys.readouterr().out
    assert "no broker answers at kafka:9092" in found
    assert terminal or found.count("no broker answers") == 1
    assert found.index("no broker answers") < found.index("up to date")


def test_watch_does_not_wait_for_a_broker_that_was_never_there() -> None:
    def read() -> Status:
        raise BrokerError("no broker answers at kafka:9092")

    with pytest.raises(BrokerError):
        watch(read, Console(file=StringIO()), lambda seconds: None)


def test_on_a_terminal_watch_replaces_what_it_showed() -> None:
    shown = StringIO()
    readings = iter([_status(_stage("scorer", 2, 1.0)), _status(_stage("scorer"))])

    def read() -> Status:
        try:
            return next(readings)
        except StopIteration:
            raise _Stopped from None

    console = Console(file=shown, force_terminal=True, width=100)
    with pytest.raises(_Stopped):
        watch(read, console, pause=lambda seconds: None)
    assert "2 to do, about 2 s left" in shown.getvalue()
    assert "\x1b[1A" in shown.getvalue() or "\x1b[2K" in shown.getvalue()
