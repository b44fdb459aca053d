import asyncio
import signal
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime.observe.metrics import MonitorMetrics
from realtime.server.app import create_app
from realtime.server.auth import Auth
from realtime.server.hub import EventHub
from realtime.server.runner import serve
from tests.support.fake_monitor import FakeMonitor, alert_store, write_page

PROGRAM = """
import asyncio, sys
from pathlib import Path
from realtime.observe.metrics import MonitorMetrics
from realtime.server.app import create_app
from realtime.server.auth import Auth
from realtime.server.hub import EventHub
from realtime.server.runner import serve
from tests.support.fake_monitor import FakeMonitor, alert_store, write_page

async def main():
    monitor = FakeMonitor()
    async with alert_store() as store:
        hub = EventHub(store, MonitorMetrics())
        page = write_page(Path(sys.argv[1]))
        app = create_app(monitor, hub, auth=Auth.for_bind("127.0.0.1", None), static_dir=page)
        await serve(app, host="127.0.0.1", port=0, on_started=lambda url: print(url, flush=True))
    print("closed", monitor.closed, len(asyncio.all_tasks()), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_program_in_order(tmp_path, number):
    root = Path(__file__).parents[2]
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        tmp_path,
        cwd=root,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    url = (await program.stdout.readline()).decode().strip()
    async with connect(f"{url.replace('http', 'ws', 1)}/alerts", proxy=None) as connection:
        await connection.recv()
        program.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    assert closed.value.rcvd.code == 1001
    out, err = await program.communicate()
    assert out.decode().split() == ["closed", "1", "1"]
    assert err == b""
    assert program.returncode == 0


async def test_cancelling_serve_is_a_shutdown_too(tmp_path):
    monitor = FakeMonitor()
    started = asyncio.Event()
    before = asyncio.all_tasks()
    async with alert_store() as store:
        hub = EventHub(store, MonitorMetrics())
        app = create_app(monitor, hub, auth=Auth.for_bind("127.0.0.1", None), static_dir=write_page(tmp_path))
        serving = asyncio.create_task(
            serve(app, host="127.0.0.1", port=0, on_started=lambda _url: started.set())
        )
        await started.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert monitor.closed == 1
    assert asyncio.all_tasks() == before
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
