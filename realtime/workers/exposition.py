"""The metrics of several processes as one page, told apart by the label ``worker``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class _Merged(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def merged(metrics: Mapping[str, Iterable[Metric]]) -> list[Metric]:
    """Return each family once, its samples labelled with whose they are.

    Args:
        metrics: What each process collected, by the value of its label.
    """
    families: dict[str, Metric] = {}
    for worker, collected in metrics.items():
        for metric in collected:
            family = families.setdefault(
                metric.name, Metric(metric.name, metric.documentation, metric.type, metric.unit)
            )
            family.samples += [
                sample._replace(labels={**sample.labels, "worker": worker}) for sample in metric.samples
            ]
    return list(families.values())


def exposition(metrics: Mapping[str, Iterable[Metric]]) -> bytes:
    """Return the merged metrics in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(merged(metrics)))
    return generate_latest(registry)
