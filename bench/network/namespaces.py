"""Two network namespaces joined by a lossy link, and programs that run in them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.network.impairment import Impairment
from bench.network.link_process import TUN, ip
from realtime.errors import SeamwatchError

ADDRESSES = ("10.77.0.1", "10.77.0.2")
_PREFIX = "seamwatch-link"
_GRACE_S = 10.0
_numbers = itertools.count()


class LinkUnavailableError(SeamwatchError):
    """This machine cannot join two network namespaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A running program that ends when its standard input does, or when it is done.

    Attributes:
        process: The program; its standard output is a pipe.
    """

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """Return its next line, empty at its end."""
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def finish(self) -> str:
        """End its input, wait for it, and return the rest of what it says."""
        output, _ = await self.process.communicate(b"")
        return output.decode()


@dataclass(slots=True, kw_only=True)
class LossyLink:
    """A running link between ``near``, where a participant is, and ``far``, where the monitor is.

    Attributes:
        near: Namespace of the participant, at ``ADDRESSES[0]``.
        far: Namespace of the monitor, at ``ADDRESSES[1]``.
        summary: What the link counted, once it has ended.
    """

    near: str
    far: str
    summary: dict[str, Any] | None = None


def why_unavailable() -> LinkUnavailableError | None:
    """Return why no link can be made here, None where one can."""
    requirements = (
        (
            sys.platform.startswith("linux"),
            "The lossy link needs Linux network namespaces.",
            "Run it on Linux, or in a virtual machine.",
        ),
        (
            shutil.which("ip") is not None,
            "The program ip is missing.",
            "Install iproute2 (Debian: apt-get install iproute2).",
        ),
        (os.geteuid() == 0, "Network namespaces need root.", "Run the same command with sudo, or as root."),
        (
            TUN.exists(),
            f"{TUN} is missing.",
            "Load the module: modprobe tun; in a container: --device /dev/net/tun.",
        ),
    )
    for met, message, fix in requirements:
        if not met:
            return LinkUnavailableError(message, fix=fix)
    name = _name("probe")
    try:
        ip("netns", "add", name)
        ip("-n", name, "tuntap", "add", "mode", "tun", "dev", "probe")
    except subprocess.CalledProcessError as error:
        return LinkUnavailableError(
            f"Network namespaces or TUN devices are not allowed here: {error.stderr.strip()}.",
            fix="Run it as root of the machine, or start the container with --privileged.",
        )
    finally:
        _delete(name)
    return None


@asynccontextmanager
async def lossy_link(
    forward: Impairment, backward: Impairment, *, seed: int, everything: bool = False
) -> AsyncIterator[LossyLink]:
    """Join two new namespaces; on the way out the link ends, is asked what it counted, and both are deleted.

    Args:
        forward: What happens from near to far.
        backward: What happens from far to near.
        seed: Seed of both directions.
        everything: Whether TCP is impaired too; else only UDP is, and signalling is left alone.

    Raises:
        LinkUnavailableError: It cannot be made here.
    """
    problem = why_unavailable()
    if problem is not None:
        raise problem
    delete_orphans()
    link = LossyLink(near=_name("near"), far=_name("far"))
    with _namespace(link.near), _namespace(link.far):
        options = {
            "namespaces": [link.near, link.far],
            "addresses": ADDRESSES,
            "forward": forward.to_json(),
            "backward": backward.to_json(),
            "seed": seed,
            "everything": everything,
        }
        async with running_link(options) as program:
            yield link
            link.summary = json.loads(await program.finish())


@asynccontextmanager
async def running_link(options: Mapping[str, Any]) -> AsyncIterator[Program]:
    """Run ``bench.network.link_process``; packets pass until the block ends.

    Args:
        options: What it takes.

    Raises:
        LinkUnavailableError: It did not come up.
    """
    async with running(None, "-m", "bench.network.link_process", json.dumps(options)) as program:
        if await program.line() != "up":
            raise LinkUnavailableError(
                "The link did not come up.", fix="See the message above; try it as root of the machine."
            )
        yield program


@asynccontextmanager
async def running(namespace: str | None, *arguments: str) -> AsyncIterator[Program]:
    """Run Python with these arguments in a namespace; a program that still runs at the end is ended."""
    async with running_command(namespace, sys.executable, "-W", "ignore", *arguments) as program:
        yield program


@asynccontextmanager
async def running_command(namespace: str | None, *command: str) -> AsyncIterator[Program]:
    """Run a program in a namespace, None for this one; if it still runs at the end it is ended."""
    prefix = () if namespace is None else ("ip", "netns", "exec", namespace)
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Program(process=process)
    finally:
        await asyncio.shield(_end(process))


def delete_orphans() -> None:
    """Delete the namespaces of measurements that were killed."""
    listed = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        name = line.split(maxsplit=1)[0]
        prefix, _, rest = name.partition(f"{_PREFIX}-")
        owner = rest.split("-")[0]
        if not prefix and owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _delete(name)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.communicate(b""), _GRACE_S)
        except TimeoutError:
            process.kill()
            await process.communicate(b"")


@contextlib.contextmanager
def _namespace(name: str) -> Iterator[None]:
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _delete(name)


def _delete(name: str) -> None:
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _name(role: str) -> str:
    return f"{_PREFIX}-{os.getpid()}-{next(_numbers)}-{role}"
