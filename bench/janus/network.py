"""A network namespace joined to this machine by a cable of its own; two runs do not clash."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from bench.janus.requirements import CallBenchError
from bench.network.impairment import Impairment
from bench.network.namespaces import running_link

#: Set aside for measurements (RFC 2544, appendix C.2.2); no route of a real network leads there.
ADDRESSES = ipaddress.IPv4Network("198.18.0.0/15")
ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNetwork:
    """Two ends of one cable.

    Attributes:
        namespace: Name of the network namespace at the far end.
        near_address: IPv4 address of this machine's end.
        far_address: IPv4 address of the namespace's end.
    """

    namespace: str
    near_address: str
    far_address: str

    def inside(self, *command: str) -> tuple[str, ...]:
        """Return a command that runs another one in the namespace."""
        return ("ip", "netns", "exec", self.namespace, *command)


@contextlib.contextmanager
def call_network() -> Iterator[CallNetwork]:
    """Make a namespace with its cable, and delete both however the block ends.

    Raises:
        CallBenchError: It cannot be made.
    """
    network, device = _laid()
    try:
        yield network
    finally:
        # With the namespace alone the cable would go too, but some time later.
        try:
            _ip("link", "delete", device)
        finally:
            _ip("netns", "delete", network.namespace)


@contextlib.asynccontextmanager
async def lossy_call_network(impairment: Impairment, *, seed: int) -> AsyncIterator[CallNetwork]:
    """Make a namespace whose cable treats UDP as a bad network does, TCP well; both go with the block.

    Args:
        impairment: What happens to packets, in both directions.
        seed: Seed of both directions.

    Raises:
        CallBenchError: The namespace cannot be made.
        LinkUnavailableError: The cable cannot be made.
    """
    first, second = _free_pair()
    network = CallNetwork(
        namespace=f"seamwatch-{secrets.token_hex(4)}", near_address=first, far_address=second
    )
    _ip("netns", "add", network.namespace)
    try:
        _ip("-n", network.namespace, "link", "set", "lo", "up")
        options = {
            "namespaces": [None, network.namespace],
            "addresses": [first, second],
            "forward": impairment.to_json(),
            "backward": impairment.to_json(),
            "seed": seed,
            "everything": False,
        }
        async with running_link(options):
            yield network
    finally:
        _ip("netns", "delete", network.namespace)


def _laid() -> tuple[CallNetwork, str]:
    """Return a network, and the name of this machine's end of its cable."""
    for attempt in range(ATTEMPTS):
        try:
            return _lay()
        except subprocess.CalledProcessError as error:
            if attempt == ATTEMPTS - 1:
                raise CallBenchError(
                    f"No network namespace can be made: {error.stderr.decode(errors='replace').strip()}.",
                    fix="Run it as root on a machine that allows network namespaces and veth devices.",
                ) from error
    raise AssertionError("unreachable")


def _lay() -> tuple[CallNetwork, str]:
    tag = secrets.token_hex(4)
    namespace, near, far = f"seamwatch-{tag}", f"sw{tag}n", f"sw{tag}f"
    first, second = _free_pair()
    _ip("netns", "add", namespace)
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace)
        _ip("address", "add", f"{first}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", namespace, "address", "add", f"{second}/30", "dev", far)
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", namespace, "link", "set", far, "up")
    except BaseException:
        _ip("netns", "delete", namespace)
        raise
    return CallNetwork(namespace=namespace, near_address=first, far_address=second), near


def _free_pair() -> tuple[str, str]:
    """Return the two hosts of a /30 that no interface of this machine has."""
    taken = _ip("-4", "-brief", "address", "show")
    while True:
        base = int(ADDRESSES.network_address) + 4 * secrets.randbelow(ADDRESSES.num_addresses // 4)
        first, second = (str(ipaddress.IPv4Address(base + host)) for host in (1, 2))
        if f" {first}/" not in taken:
            return first, second


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=True, capture_output=True)
    return done.stdout.decode()
