"""The networks that are measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from bench.network.impairment import Impairment
from realtime.timebase import NS_PER_MS, NS_PER_S

BASE_DELAY_NS = 20 * NS_PER_MS
SPARED_NS = 2 * NS_PER_S
OUTAGE_FROM_NS = 8 * NS_PER_S
OUTAGE_NS = 5 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A network.

    Attributes:
        title: What the table says.
        impairment: What it does, in both directions.
    """

    title: str
    impairment: Impairment


_BASE = Impairment(delay_ns=BASE_DELAY_NS, spared_ns=SPARED_NS)

PROFILES = MappingProxyType(
    {
        "clean": Profile(title="no loss", impairment=_BASE),
        "loss1": Profile(title="1 % loss", impairment=replace(_BASE, loss=0.01)),
        "loss2": Profile(title="2 % loss", impairment=replace(_BASE, loss=0.02)),
        "loss5": Profile(title="5 % loss", impairment=replace(_BASE, loss=0.05)),
        "loss10": Profile(title="10 % loss", impairment=replace(_BASE, loss=0.10)),
        "bursts2": Profile(
            title="2 % loss in bursts of 4", impairment=replace(_BASE, loss=0.02, burst_packets=4.0)
        ),
        "jitter10": Profile(title="jitter 10 ms", impairment=replace(_BASE, jitter_ns=10 * NS_PER_MS)),
        "jitter30": Profile(title="jitter 30 ms", impairment=replace(_BASE, jitter_ns=30 * NS_PER_MS)),
        "reorder": Profile(
            title="jitter 10 ms, reordered",
            impairment=replace(_BASE, jitter_ns=10 * NS_PER_MS, reorder=True),
        ),
        "duplicates": Profile(title="2 % duplicated", impairment=replace(_BASE, duplicate=0.02)),
        "outage": Profile(
            title="outage of 5 s",
            impairment=replace(_BASE, outage_ns=(OUTAGE_FROM_NS, OUTAGE_FROM_NS + OUTAGE_NS)),
        ),
        "narrow": Profile(
            title="2 Mbit/s, queue of 32 kB",
            impairment=replace(_BASE, rate_bps=2_000_000, queue_bytes=32_000),
        ),
    }
)
