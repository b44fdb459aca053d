"""``seamwatch demo``: the monitor and a call for it, in one process."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import click

from clients import web
from clients.cli.broadcast import Fault, Part, Sending, broadcast, exit_code_for, report_faults
from clients.cli.call_view import table_view
from clients.cli.decision_options import decision_options
from clients.cli.demo_call import DemoCall, clips_cache, fetch_models, prepare_call, require_both_or_neither
from clients.cli.endpoints import endpoints
from clients.cli.engine_options import engine_options, engines_folder
from clients.cli.evidence_options import evidence_options
from clients.cli.examples import examples
from clients.cli.reference_options import reference_options, tell_unused
from clients.cli.running import run_until_interrupted
from clients.printable import printable
from engines.processors import usable_processors
from engines.store.store import ModelStore
from realtime.compose import run_server
from realtime.decisions import AS_SHIPPED, DecisionChoice
from realtime.evidence.keeping import ALERTS_ONLY, Keeping
from realtime.identity.references import References

HOST = "127.0.0.1"
CALL = "demo"
GENUINE, EXCHANGED = "genuine", "exchanged"
MAX_PARTICIPANTS = 8


async def _stream(url: str, call: DemoCall, *, loop: bool) -> list[Fault]:
    parts = [Part(name=GENUINE, path=call.genuine), Part(name=EXCHANGED, path=call.tampered)]
    with table_view([part.name for part in parts]) as show:
        return await broadcast(parts, endpoints(url), Sending(call=CALL, loop=loop), show)


async def run_demo(
    call: DemoCall,
    folder: Path,
    *,
    port: int,
    loop: bool,
    exit_after_s: float | None,
    threads: int,
    engines_dir: Path | None = None,
    keeping: Keeping = ALERTS_ONLY,
    references: References | None = None,
    deciding: DecisionChoice = AS_SHIPPED,
) -> list[Fault]:
    """Run the monitor and stream the call into it, until either ends or the time is up.

    Args:
        call: The clips.
        folder: Where the alerts of this demo are kept.
        port: Port of the page on this machine.
        loop: Whether the clips start again when they end.
        exit_after_s: End after this long; None for no limit.
        threads: Processor threads that the models may use.
        engines_dir: A set of engines; None for the models as they are.
        keeping: What is kept on disk, and for how long.
        references: Who the two participants should be.
        deciding: Calibration and rate of false alarms.

    Returns:
        What could not be streamed.
    """
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        run_server(
            host=HOST,
            port=port,
            token=None,
            store_path=folder / "alerts.sqlite3",
            models_dir=None,
            engines_dir=engines_dir,
            static_dir=web.FOLDER,
            thumbnails=True,
            max_participants=MAX_PARTICIPANTS,
            threads=threads,
            ready=url.set_result,
            keeping=keeping,
            references=references,
            deciding=deciding,
            own_signals=False,
        )
    )
    streaming: asyncio.Task[list[Fault]] | None = None
    try:
        await _first(server, url)
        if not url.done():
            await server
            return []
        click.echo(f"Seamwatch is running on {url.result()} (Ctrl-C ends it)")
        streaming = asyncio.create_task(_stream(url.result(), call, loop=loop))
        await _first(server, streaming, timeout_s=exit_after_s)
        if server.done():
            await server
        return await streaming if streaming.done() else []
    finally:
        for task in (streaming, server):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _first(*work: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    await asyncio.wait(work, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)


async def _demo(faults: list[Fault], running: Awaitable[list[Fault]]) -> None:
    faults.extend(await running)


@click.command(
    epilog=examples(
        "seamwatch demo",
        "seamwatch demo --clip genuine.mp4 --tampered fake.mp4",
        "seamwatch demo --no-loop --seconds 30 --port 0",
    )
)
@click.option("--clip", type=click.Path(path_type=Path), help="A genuine clip; needs --tampered.")
@click.option("--tampered", type=click.Path(path_type=Path), help="A clip with a seam; needs --clip.")
@click.option(
    "--clips-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of recorded clips to make the pair from; by default ../shared/clips beside the checkout.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port of the page."
)
@click.option(
    "--seconds",
    type=click.FloatRange(10, 600),
    default=60,
    show_default=True,
    help="Length of clips that are made.",
)
@click.option(
    "--loop/--no-loop", default=True, show_default=True, help="Start the clips again when they end, or end."
)
@click.option("--exit-after", type=click.FloatRange(min=1), metavar="SECONDS", help="End after this long.")
@decision_options
@reference_options
@evidence_options
@engine_options
def demo(
    *,
    clip: Path | None,
    tampered: Path | None,
    clips_dir: Path | None,
    port: int,
    seconds: float,
    loop: bool,
    exit_after: float | None,
    engines: Path | None,
    backend: str | None,
    keeping: Keeping,
    references: References,
    deciding: DecisionChoice,
) -> None:
    """Run the monitor with its page and stream a call into it: one genuine participant, one exchanged.

    Fetches the models first. The clips are those given, else a pair made from recorded clips, else a pair
    that is drawn and says so. Ctrl-C ends it with exit code 0.
    """
    require_both_or_neither(clip, tampered)
    fetch_models(ModelStore())
    engines_dir = engines_folder(engines, backend)
    faults: list[Fault] = []
    with tempfile.TemporaryDirectory(prefix="seamwatch-demo-") as name:
        folder = Path(name)
        call = prepare_call(clip, tampered, clips_dir, clips_cache(), seconds)
        click.echo(printable(f"{GENUINE} and {EXCHANGED}: {call.about}"))
        running = run_demo(
            call,
            folder,
            port=port,
            loop=loop,
            exit_after_s=exit_after,
            threads=min(4, usable_processors()),
            engines_dir=engines_dir,
            keeping=keeping,
            references=references,
            deciding=deciding,
        )
        run_until_interrupted(_demo(faults, running))
    tell_unused(references)
    report_faults(faults)
    if faults:
        sys.exit(exit_code_for(faults))
