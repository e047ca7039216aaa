"""Pauses that double."""

from streams.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.after(failures) for failures in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_failures_without_end_have_the_longest_pause() -> None:
    assert Backoff(0.1, 5.0).after(1_000_000) == 5.0
