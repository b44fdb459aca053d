"""A real call over a link that loses packets, between two network namespaces.

Everything that is asserted is about media, not about the clock of a machine that others use as well.
"""

import asyncio
import subprocess
from pathlib import Path

import pytest

from bench.network.calibration import Calibration
from bench.network.impairment import Impairment
from bench.network.measurement import Material, make_material, measure
from bench.network.namespaces import (
    ADDRESSES,
    LossyLink,
    delete_orphans,
    lossy_link,
    running,
    why_unavailable,
)
from bench.network.profiles import PROFILES

UNAVAILABLE = why_unavailable()
pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))

MS = 1_000_000
CLIP = Calibration(seconds=14)

ECHO = f"""
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("{ADDRESSES[1]}", 9000))
tcp = socket.create_server(("{ADDRESSES[1]}", 9000))
print("up", flush=True)
peer, _ = tcp.accept()
received = set()
udp.settimeout(0.5)
peer.sendall(peer.recv(3))
while True:
    try: received.add(int(udp.recv(100)))
    except TimeoutError: break
print(sorted(received), flush=True)
"""

SEND = f"""
import socket
tcp = socket.create_connection(("{ADDRESSES[1]}", 9000))
tcp.sendall(b"tcp")
assert tcp.recv(3) == b"tcp"
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(100): udp.sendto(str(number).encode(), ("{ADDRESSES[1]}", 9000))
"""


def namespaces() -> set[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines()}


async def received_over(link: LossyLink) -> list[int]:
    async with running(link.far, "-c", ECHO) as far:
        assert await far.line() == "up"
        async with running(link.near, "-c", SEND) as near:
            assert await near.process.wait() == 0
        line = await far.line()
        return [int(number) for number in line.strip("[]").split(",") if number.strip()]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("material"), CLIP)


async def test_udp_is_lost_as_the_seed_says_and_tcp_is_left_alone() -> None:
    lossy, perfect = Impairment(loss=0.4), Impairment()
    received = []
    for seed in (3, 3, 4):
        async with lossy_link(lossy, perfect, seed=seed) as link:
            received.append(await received_over(link))
        assert link.summary is not None
        assert link.summary["forward"]["lost"] == 100 - len(received[-1])
    assert received[0] == received[1] != received[2]
    assert 30 < len(received[0]) < 90


async def test_no_namespace_is_left_when_the_work_fails_or_is_cancelled() -> None:
    made: set[str] = set()

    async def fail() -> None:
        async with lossy_link(Impairment(), Impairment(), seed=1) as link:
            made.update({link.near, link.far})
            assert made <= namespaces()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert not made & namespaces()

    up = asyncio.Event()

    async def wait() -> None:
        async with lossy_link(Impairment(), Impairment(), seed=1) as link:
            made.update({link.near, link.far})
            up.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await up.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not made & namespaces()
    assert len(made) == 4


def test_namespaces_of_a_killed_measurement_are_deleted_by_the_next() -> None:
    dead_pid = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    orphan = f"seamwatch-link-{dead_pid}-0-near"
    subprocess.run(["ip", "netns", "add", orphan], check=True)
    delete_orphans()
    assert orphan not in namespaces()


async def test_a_call_over_a_perfect_link_is_whole(material: Material, tmp_path: Path) -> None:
    measured = await measure(
        PROFILES["clean"], material, source="publisher", receiver="seamwatch", seed=1, folder=tmp_path
    )
    figures = measured.figures
    assert figures.video.corrupt == 0
    assert figures.video.missing <= 0.02
    assert figures.audio.missing <= 0.02
    assert figures.audio.wrong == 0
    assert figures.alignment is not None
    assert abs(figures.alignment) <= 5


async def test_a_call_that_loses_every_twentieth_packet_stays_whole(
    material: Material, tmp_path: Path
) -> None:
    measured = await measure(
        PROFILES["loss5"], material, source="publisher", receiver="seamwatch", seed=1, folder=tmp_path
    )
    figures = measured.figures
    assert measured.link["forward"]["lost"] > 50
    assert figures.video.pictures > 0
    assert figures.video.corrupt == 0
    assert figures.video.gap <= 1_000
    assert figures.audio.lost_by_link is not None
    assert figures.audio.missing <= max(0.06, figures.audio.lost_by_link + 0.01)
    assert figures.audio.wrong <= 0.01
    assert figures.alignment is not None
    assert abs(figures.alignment) <= 15
