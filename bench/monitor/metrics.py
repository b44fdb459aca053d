"""A monitor's own numbers, from its /metrics."""

from __future__ import annotations


def parse_metrics(text: str) -> dict[str, float]:
    """Return the samples of a Prometheus text exposition by name and labels."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}
