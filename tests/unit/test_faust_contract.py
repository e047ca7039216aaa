"""What ``streams/stages/faust_app.py`` relies on in faust-streaming: an upgrade that changes it is
noticed here.

The stock consumer can commit past a record that is still in flight: that is why its commits are
overridden. Should that be mended one day, ``test_the_stock_consumer_commits_past_a_gap`` fails, and
the override may be thought over.
"""

import inspect
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from intervaltree import IntervalTree

from streams.stages.faust_app import gated_transport
from streams.stages.offsets import Gates
from streams.stages.stage import Stage

_TP = TP("documents", 0)
_OVERRIDDEN = {
    "_filter_tps_with_pending_acks": ["self", "topics"],
    "_new_offset": ["self", "tp"],
    "wait_empty": ["self"],
    "on_partitions_revoked": ["self", "revoked"],
    "on_partitions_assigned": ["self", "assigned", "generation_id"],
}
_CALLED = ("commit_and_end_transactions",)


def _gated(gates: Gates) -> type[Consumer]:
    # The stage is asked only where partitions move or the consumer ends.
    return cast("type[Consumer]", gated_transport(cast("Stage", None), gates, 1.0).Consumer)


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert issubclass(Transport.Consumer, Consumer)


@pytest.mark.parametrize("name", _OVERRIDDEN)
def test_an_overridden_method_is_there_with_its_parameters(name: str) -> None:
    stock, ours = getattr(Consumer, name), getattr(_gated(Gates()), name)
    assert list(inspect.signature(stock).parameters) == _OVERRIDDEN[name]
    assert list(inspect.signature(ours).parameters) == _OVERRIDDEN[name]
    assert inspect.iscoroutinefunction(inspect.unwrap(ours)) == inspect.iscoroutinefunction(
        inspect.unwrap(stock)
    )


def test_nothing_else_is_overridden() -> None:
    ours = {name for name, value in vars(_gated(Gates())).items() if inspect.isfunction(value)}
    assert ours == set(_OVERRIDDEN)


@pytest.mark.parametrize("name", _CALLED)
def test_what_is_called_is_there(name: str) -> None:
    assert inspect.iscoroutinefunction(inspect.unwrap(getattr(Consumer, name)))


def test_the_commit_still_asks_the_overridden_methods() -> None:
    source = "".join(
        inspect.getsource(inspect.unwrap(value))
        for value in vars(faust.transport.consumer.Consumer).values()
        if inspect.isfunction(value)
    )
    assert "self._filter_tps_with_pending_acks(" in source
    assert "self._new_offset(" in source
    assert "await self.wait_empty()" in source


def test_the_app_does_not_make_directories_elsewhere() -> None:
    assert inspect.isfunction(faust.App._create_directories)


@pytest.mark.parametrize("committed", [31, None])
def test_the_stock_consumer_commits_past_a_gap(committed: int | None) -> None:
    # 31 is in flight: it is the next offset to be read after a crash. 32 to 34 were faster.
    acked = [32, 33, 34]
    state: Any = SimpleNamespace(
        _acked={_TP: acked},
        _gap={_TP: IntervalTree()},
        _committed_offset={_TP: committed},
        _acked_index={_TP: set(acked)},
    )
    assert Consumer._new_offset(state, _TP) == 35, "record 31 would be lost"


@pytest.mark.parametrize("committed", [31, None])
def test_ours_does_not(committed: int | None) -> None:
    gates = Gates()
    tickets = [gates[_TP].enter(offset) for offset in (31, 32, 33, 34)]
    for ticket in tickets[1:]:
        assert ticket is not None
        gates[_TP].leave(ticket)
    consumer = object.__new__(_gated(gates))
    assert consumer._new_offset(_TP) is None
    assert list(consumer._filter_tps_with_pending_acks()) == []
    assert tickets[0] is not None
    gates[_TP].leave(tickets[0])
    assert consumer._new_offset(_TP) == 35
    assert list(consumer._filter_tps_with_pending_acks()) == [_TP]
