"""A statistic with its interval."""

Estimate = tuple[float, float, float]
"""A value and the ends of its 95% bootstrap interval."""
