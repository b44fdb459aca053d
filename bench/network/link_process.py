"""The link itself, as a process of its own: two TUN devices in two namespaces, and what happens in between.

    python -m bench.network.link_process '{"namespaces": [...], "addresses": [...], "forward": {...}, ...}'

Says "up" when packets pass. Ends at the end of its standard input, on SIGTERM or SIGINT, and then prints
what it counted as JSON. The devices end with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.network.impairment import Fate, ImpairedDirection, Impairment
from bench.network.packets import SendTimes, is_ipv4, rtp_source, udp_payload
from realtime.interrupt import sigterm_as_interrupt
from realtime.timebase import NS_PER_MS, NS_PER_S

TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TUN_WITHOUT_HEADER = 0x1001
_LARGEST_PACKET = 2048
_LATENESS_BUCKETS_MS = 200


@dataclass(slots=True)
class Side:
    """One end of the link and the direction that leads away from it."""

    device: int
    outgoing: ImpairedDirection
    sent: SendTimes = field(default_factory=SendTimes)


def open_device(name: str, namespace: str | None, address: str) -> int:
    """Make a TUN device, move it into a namespace, None for this one, and give it its address.

    Raises:
        OSError: There is no right to do so.
        subprocess.CalledProcessError: ``ip`` refuses.
    """
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN_WITHOUT_HEADER))
    inside: tuple[str, ...] = ()
    if namespace is not None:
        ip("link", "set", name, "netns", namespace)
        inside = ("-n", namespace)
    ip(*inside, "link", "set", name, "addrgenmode", "none")
    ip(*inside, "addr", "add", f"{address}/30", "dev", name)
    ip(*inside, "link", "set", name, "mtu", "1500", "up")
    return device


def ip(*arguments: str) -> None:
    """Run ``ip`` of iproute2.

    Raises:
        subprocess.CalledProcessError: It refuses.
    """
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Link:
    """Passes packets between two devices until it is told to stop.

    Args:
        sides: Both ends.
        everything: Whether all of IPv4 is impaired; else only UDP is, and the rest passes at once.
    """

    def __init__(self, sides: Sequence[Side], *, everything: bool) -> None:
        self._sides = sides
        self._everything = everything
        self._lateness = [0] * _LATENESS_BUCKETS_MS
        self._refused = 0

    def run(self, stop: int) -> None:
        """Pass packets until a descriptor becomes readable."""
        devices = [side.device for side in self._sides]
        while True:
            readable, _, _ = select.select([stop, *devices], [], [], self._patience_s())
            if stop in readable:
                return
            for here, there in (self._sides, self._sides[::-1]):
                if here.device in readable:
                    self._read(here, there)
                self._deliver(here.outgoing, there.device)

    def summary(self) -> dict[str, Any]:
        """Return what was counted."""
        return {
            "forward": self._sides[0].outgoing.counts,
            "backward": self._sides[1].outgoing.counts,
            "refused_by_device": self._refused,
            "late_p99_ms": _quantile(self._lateness, 0.99),
            "sent": self._sides[0].sent.curves(),
        }

    def _patience_s(self) -> float | None:
        due = [side.outgoing.next_due_ns for side in self._sides]
        waiting = [time_ns for time_ns in due if time_ns is not None]
        return max(0.0, (min(waiting) - time.monotonic_ns()) / NS_PER_S) if waiting else None

    def _read(self, here: Side, there: Side) -> None:
        while True:
            try:
                packet = os.read(here.device, _LARGEST_PACKET)
            except BlockingIOError:
                return
            now_ns = time.monotonic_ns()
            payload = udp_payload(packet)
            if payload is not None or (self._everything and is_ipv4(packet)):
                fate = here.outgoing.admit(packet, now_ns)
                rtp = None if payload is None else rtp_source(payload)
                if rtp is not None:
                    here.sent.on_packet(*rtp, now_ns, lost=fate is not Fate.SENT)
            elif is_ipv4(packet):
                self._write(there.device, packet)

    def _deliver(self, direction: ImpairedDirection, device: int) -> None:
        now_ns = time.monotonic_ns()
        for due_ns, packet in direction.due(now_ns):
            late_ms = (now_ns - due_ns) // NS_PER_MS
            self._lateness[min(late_ms, _LATENESS_BUCKETS_MS - 1)] += 1
            self._write(device, packet)

    def _write(self, device: int, packet: bytes) -> None:
        try:
            os.write(device, packet)
        except OSError:
            self._refused += 1


def _quantile(histogram: Sequence[int], fraction: float) -> int:
    """Return the bucket below which a fraction of the entries lies."""
    wanted, seen = fraction * sum(histogram), 0
    for bucket, count in enumerate(histogram):
        seen += count
        if seen >= wanted:
            return bucket
    return len(histogram)


def main(arguments: str) -> None:
    """Open the devices, pass packets until stopped, print the counts."""
    options = json.loads(arguments)
    sides = []
    for index, direction in enumerate(("forward", "backward")):
        device = open_device(
            f"swl{os.getpid()}{'ab'[index]}", options["namespaces"][index], options["addresses"][index]
        )
        impairment = Impairment.from_json(options[direction])
        sides.append(Side(device, ImpairedDirection(impairment, seed=2 * options["seed"] + index)))
    link = Link(sides, everything=options["everything"])
    print("up", flush=True)
    with sigterm_as_interrupt(), contextlib.suppress(KeyboardInterrupt):
        link.run(sys.stdin.fileno())
    print(json.dumps(link.summary()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
