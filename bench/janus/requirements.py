"""What a call in Janus needs of the machine, and how to get it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from realtime.errors import SeamwatchError

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
PLUGIN_FOLDERS = "/usr/lib/*/janus/plugins"
VIDEOROOM = "libjanus_videoroom.so"
INSTALL = "apt-get install janus chromium iproute2"


class CallBenchError(SeamwatchError):
    """The call cannot be set up on this machine, or did not behave."""


def chromium_path() -> str | None:
    """Return where Chromium or Chrome is installed."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def janus_library_folder() -> Path | None:
    """Return the folder that holds Janus' plugin and transport folders."""
    plugin = next(Path("/").glob(f"{PLUGIN_FOLDERS[1:]}/{VIDEOROOM}"), None)
    return None if plugin is None else plugin.parent.parent


def require_call_bench() -> None:
    """Check everything that a call in Janus needs.

    Raises:
        CallBenchError: Names what is missing, and what to do.
    """
    missing = [*_missing_programs(), *_missing_rights()]
    if missing:
        raise CallBenchError(
            f"A call in Janus needs {', and '.join(what for what, _ in missing)}.",
            fix="; ".join(dict.fromkeys(fix for _, fix in missing)) + ".",
        )


def versions() -> dict[str, str]:
    """Return the versions of the programs that a call consists of."""
    return {
        "Janus": _first_match(r"Janus version: \d+ \(([\d.]+)\)", "janus", "--version"),
        "Chromium": _first_match(r"([\d.]{5,})", chromium_path() or "chromium", "--version"),
    }


def _first_match(pattern: str, *command: str) -> str:
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    found = re.search(pattern, told.stdout + told.stderr)
    return "unknown" if found is None else found.group(1)


def _missing_programs() -> Iterator[tuple[str, str]]:
    install = f"On Debian or Ubuntu: {INSTALL}"
    if shutil.which("janus") is None or janus_library_folder() is None:
        yield "the Janus gateway with its VideoRoom plugin", install
    if chromium_path() is None:
        yield f"a browser ({', '.join(CHROMIUM_NAMES)})", install
    if shutil.which("ip") is None:
        yield "the ip command", install
    if importlib.util.find_spec("playwright") is None:
        yield "Playwright", "pip install 'seamwatch[test]'"


def _missing_rights() -> Iterator[tuple[str, str]]:
    if shutil.which("unshare") is None or os.geteuid() != 0:
        yield "root, for a network namespace", "Run it as root, for example with sudo"
        return
    tried = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)
    if tried.returncode != 0:
        yield (
            "a kernel that lets root make network namespaces",
            "In a container: start it with --cap-add SYS_ADMIN --cap-add NET_ADMIN",
        )
