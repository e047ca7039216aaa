"""Lines about progress come no closer than an interval."""

from models.progress import at_intervals


def test_lines_that_come_too_soon_are_left_out() -> None:
    times = iter((0.0, 1.0, 3.0, 3.0, 5.9, 6.0, 6.0, 20.0, 20.0, 21.0))
    lines: list[str] = []
    report = at_intervals(lines.append, 3.0, clock=lambda: next(times))
    for line in "abcdef":
        report(line)
    assert lines == ["b", "d", "e"]
