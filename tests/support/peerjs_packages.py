"""The real PeerJS library and its server, from npm."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

PACKAGES = ("peer@1.0.2", "peerjs@1.5.5")
INSTALL_TIMEOUT_S = 120
SERVER_PATH = "/calls"
LIBRARY = "node_modules/peerjs/dist/peerjs.min.js"

_SERVER = f"""
import {{ PeerServer }} from "peer";
const options = {{ host: "127.0.0.1", port: Number(process.argv[2]), path: "{SERVER_PATH}" }};
PeerServer(options, (server) => console.log(server.address().port));
"""


@pytest.fixture(scope="session")
def peerjs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages installed, or a skip where npm cannot."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs Node.js: npm or node is not on the PATH")
    folder = tmp_path_factory.mktemp("peerjs")
    (folder / "package.json").write_text("{}")
    (folder / "server.mjs").write_text(_SERVER)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    try:
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=INSTALL_TIMEOUT_S)
    except subprocess.SubprocessError:
        pytest.skip(f"needs {' and '.join(PACKAGES)}: npm cannot install them")
    return folder


@asynccontextmanager
async def peer_server(folder: Path, port: int = 0) -> AsyncIterator[int]:
    """Run a PeerServer on this machine and yield its port."""
    process = await asyncio.create_subprocess_exec(
        "node", "server.mjs", str(port), cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
