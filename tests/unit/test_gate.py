import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.stages.offsets import Gate, Gates, Ticket


def entered(gate: Gate, offset: int) -> Ticket:
    ticket = gate.enter(offset)
    assert ticket is not None
    return ticket


def test_nothing_is_committable_before_the_first_record_is_done():
    gate = Gate()
    first, second = entered(gate, 7), entered(gate, 8)
    assert gate.committable is None
    gate.leave(second)
    assert gate.committable is None  # 7 is still in flight
    gate.leave(first)
    assert gate.committable == 9
    assert len(gate) == 0


def test_a_gap_in_the_offsets_is_passed_over():
    gate = Gate()
    tickets = [entered(gate, offset) for offset in (0, 5, 6)]
    for ticket in tickets:
        gate.leave(ticket)
    assert gate.committable == 7


def test_an_offset_that_was_taken_in_is_refused():
    gate = Gate()
    gate.enter(3)
    assert gate.enter(3) is None
    assert gate.enter(2) is None
    assert gate.enter(4) is not None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_never_past_a_record_in_flight_in_any_order(steps: list[int], shuffler: random.Random):
    gate, offset, flying = Gate(), 0, {}
    for step in steps:
        offset += step
        flying[offset] = entered(gate, offset)
    order = list(flying)
    shuffler.shuffle(order)
    for done in order:
        gate.leave(flying.pop(done))
        if flying and gate.committable is not None:
            assert gate.committable <= min(flying)
    assert gate.committable == offset + 1


def test_a_revoked_partition_commits_nothing_more():
    gates = Gates()
    ticket = entered(gates["documents", 0], 10)
    old = gates["documents", 0]
    gates.revoke({("documents", 0)})
    old.leave(ticket)
    assert gates.committable() == {}
    assert gates["documents", 0].enter(3) is not None  # the new owner's view starts afresh


@pytest.mark.parametrize("done", [(), (0,), (0, 1)])
def test_in_flight_is_counted(done):
    gates = Gates()
    tickets = [entered(gates["a", 0], 0), entered(gates["b", 1], 0)]
    for index, partition in enumerate((("a", 0), ("b", 1))):
        if index in done:
            gates[partition].leave(tickets[index])
    assert len(gates) == 2 - len(done)
