"""Numbers and durations as text."""


def as_count(number: int, noun: str) -> str:
    """A number with its noun, such as ``1,200 messages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def as_duration(seconds: float) -> str:
    """A duration in its largest unit, such as ``3 min`` or ``2.5 days``."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.3g} {unit}"
    return f"{max(1, round(seconds))} s"
