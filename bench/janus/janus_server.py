"""Debian's Janus with one VideoRoom and a TextRoom of the same number, in a network namespace."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake
from websockets.typing import Subprotocol

from bench.janus.network import CallNetwork
from bench.janus.requirements import CallBenchError, janus_library_folder

ROOM = 1234
PORT, SECURE_PORT = 8188, 8989
START_LIMIT_S = 15.0
STOP_LIMIT_S = 5.0
LOG_LINES_SHOWN = 12

_WANTED = {"libjanus_videoroom.so", "libjanus_textroom.so", "libjanus_websockets.so"}

_CORE = """\
general: {{
  configs_folder = "{folder}"
  plugins_folder = "{libraries}/plugins"
  transports_folder = "{libraries}/transports"
  events_folder = "{libraries}/events"
  loggers_folder = "{libraries}/loggers"
  debug_level = 4
  session_timeout = 60
}}
certificates: {{ }}
media: {{ rtp_port_range = "20000-20400" }}
nat: {{ ice_enforce_list = "{address}"  ignore_mdns = true }}
plugins: {{ disable = "{other_plugins}" }}
transports: {{ disable = "{other_transports}" }}
events: {{ broadcast = false }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
"""
_VIDEOROOM = """\
general: {{ }}
room-{room}: {{
  description = "Seamwatch"
  publishers = 8
  bitrate = 1500000
  fir_freq = 0
  audiocodec = "opus"
  videocodec = "vp8,h264"
  opus_fec = true
  notify_joining = true
}}
"""
_TEXTROOM = """\
general: {{ }}
room-{room}: {{ description = "Seamwatch" }}
"""
_WEBSOCKETS = """\
general: {{
  json = "compact"
  ws = true  ws_port = {port}  ws_ip = "{address}"
  wss = {secure}  wss_port = {secure_port}  wss_ip = "{address}"
}}
admin: {{ admin_ws = false }}
certificates: {{ {certificates} }}
"""
_CERTIFICATES = 'cert_pem = "{given.certificate}"  cert_key = "{given.key}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class JanusRoom:
    """A room that participants can join.

    Attributes:
        websocket_url: Where the Janus protocol is spoken.
        join_url: What ``seamwatch join`` takes.
        room: The room's number.
        secure_join_url: The same with TLS, where Janus has a certificate.
    """

    websocket_url: str
    join_url: str
    room: int
    secure_join_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate and its key, both as PEM files."""

    certificate: Path
    key: Path


@contextlib.asynccontextmanager
async def janus_room(
    network: CallNetwork, folder: Path, *, certificate: Certificate | None = None
) -> AsyncIterator[JanusRoom]:
    """Run Janus until the block ends.

    Args:
        network: Where it runs.
        folder: Takes its configuration and ``janus.log``.
        certificate: Of its TLS port; None for none.

    Raises:
        CallBenchError: It is not installed, or does not start.
    """
    _configure(folder, network.far_address, certificate)
    log = folder / "janus.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *network.inside("janus", "-F", str(folder)), stdout=out, stderr=out, start_new_session=True
        )
    try:
        websocket_url = f"ws://{network.far_address}:{PORT}"
        await _answering(process, websocket_url, log)
        yield JanusRoom(
            websocket_url=websocket_url,
            join_url=f"janus://{network.far_address}:{PORT}/room/{ROOM}",
            room=ROOM,
            secure_join_url=f"januss://{network.far_address}:{SECURE_PORT}/room/{ROOM}",
        )
    finally:
        await stopped(process)


async def stopped(process: asyncio.subprocess.Process) -> int:
    """End a process politely, else by force, and return its exit status."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
        except TimeoutError:
            process.kill()
        except asyncio.CancelledError:
            process.kill()
            raise
    return await process.wait()


def _configure(folder: Path, address: str, certificate: Certificate | None) -> None:
    libraries = janus_library_folder()
    if libraries is None:
        raise CallBenchError("Janus' VideoRoom plugin is not installed.", fix="apt-get install janus")
    core = _CORE.format(
        folder=folder,
        libraries=libraries,
        address=address,
        other_plugins=_others(libraries / "plugins"),
        other_transports=_others(libraries / "transports"),
    )
    (folder / "janus.jcfg").write_text(core)
    (folder / "janus.plugin.videoroom.jcfg").write_text(_VIDEOROOM.format(room=ROOM))
    (folder / "janus.plugin.textroom.jcfg").write_text(_TEXTROOM.format(room=ROOM))
    files = "" if certificate is None else _CERTIFICATES.format(given=certificate)
    websockets = _WEBSOCKETS.format(
        port=PORT,
        secure="false" if certificate is None else "true",
        secure_port=SECURE_PORT,
        address=address,
        certificates=files,
    )
    (folder / "janus.transport.websockets.jcfg").write_text(websockets)


def _others(folder: Path) -> str:
    return ",".join(sorted(path.name for path in folder.glob("*.so") if path.name not in _WANTED))


async def _answering(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while process.returncode is None:
                with contextlib.suppress(OSError, InvalidHandshake):
                    async with connect(url, subprotocols=[Subprotocol("janus-protocol")], proxy=None):
                        return
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    raise CallBenchError(
        f"Janus did not start: {_end_of(log)}",
        fix="Check the installation: janus --help must work, and its VideoRoom plugin be there.",
    )


def _end_of(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
    return " | ".join(line.strip() for line in lines if line.strip())
