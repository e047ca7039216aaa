"""Ratings and shares as people read them, beside a limit that they reach or fall short of.

They are rounded down: what falls short of a limit is never shown as reaching it.
"""

from decimal import ROUND_FLOOR, Decimal


def as_score(score: float) -> str:
    """A finite number with two decimals."""
    return str(Decimal(str(score)).quantize(Decimal("0.01"), ROUND_FLOOR))


def as_share(share: float) -> str:
    """A finite share in whole percent."""
    return f"{(Decimal(str(share)) * 100).quantize(Decimal(1), ROUND_FLOOR)}%"


def as_least(share: float) -> str:
    """A share that is a limit, in percent with the decimals that it has."""
    return f"{share * 100:g}%"
