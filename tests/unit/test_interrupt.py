"""SIGTERM ends a command, also one that a shell started in the background."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAITING = """
import signal, sys
signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
from realtime.interrupt import sigterm_as_interrupt
try:
    with sigterm_as_interrupt():
        print("ready", flush=True)
        while True:
            signal.pause()
except KeyboardInterrupt:
    print("cleaned up", flush=True)
"""


@pytest.mark.parametrize("disposition", ["SIG_IGN", "default_int_handler"])
def test_sigterm_is_an_interrupt(disposition: str) -> None:
    command = [sys.executable, "-c", WAITING, disposition]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "cleaned up\n"
        assert process.wait() == 0
