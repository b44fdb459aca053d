"""A real call: Janus, Chromium participants, one of them tampered with, and ``seamwatch join``.

    sudo python -m bench.janus_call --participants 4 --out bench/results
    sudo python -m bench.janus_call --alignment --network none --network loss5 --out bench/results

The room is Debian's Janus in a network namespace of its own; everything is taken down at the end. Camera and
microphone of the participants play recorded clips where there are some, else drawn people.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bench.janus.logs import kept_on_failure
from bench.janus.report import alignment_markdown, call_markdown
from bench.janus.requirements import CallBenchError, require_call_bench, versions
from bench.machine import command_line, describe_machine
from bench.network.profiles import PROFILES
from clients.cli.demo_call import clips_beside_checkout
from clients.cli.errors import reported_errors
from realtime.observe.logging import configure_logging

CLIP_S = 40.0
ALIGNMENT_S = 60.0


def _say(line: str) -> None:
    click.echo(line, err=True)


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _failures(result: dict[str, Any]) -> list[str]:
    checks = [check["what"] for check in result.get("checks", ()) if not check["held"]]
    ways = [way for way, figures in result.get("ways", {}).items() if not figures["holds"]]
    return [*checks, *ways]


@click.command()
@click.option("--participants", type=click.IntRange(2, 4), default=2, show_default=True)
@click.option(
    "--clips-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Recorded clips; by default ../shared/clips beside the checkout, else drawn people.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(8, 600),
    help=f"Length of the clips [{CLIP_S:g}], or of each measurement of alignment [{ALIGNMENT_S:g}].",
)
@click.option(
    "--height", type=click.IntRange(120, 720), default=480, show_default=True, help="Of the pictures."
)
@click.option(
    "--fps",
    "pictures_per_s",
    type=click.IntRange(10, 30),
    default=30,
    show_default=True,
    help="Pictures a second that everybody sends.",
)
@click.option(
    "--alignment", is_flag=True, help="Measure how sound is placed beside pictures, and hold no call."
)
@click.option(
    "--network",
    "networks",
    type=click.Choice(["none", *PROFILES]),
    multiple=True,
    default=("none",),
    show_default=True,
    help="Of the measurement of alignment: over which of bench.lossy_link's networks.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for JSON and Markdown.")
def main(
    *,
    participants: int,
    clips_dir: Path | None,
    seconds: float | None,
    height: int,
    pictures_per_s: int,
    alignment: bool,
    networks: tuple[str, ...],
    out: Path | None,
) -> None:
    """Hold a call in Janus and check what the monitor says about everybody. Needs root."""
    with reported_errors(details=False):
        configure_logging(level=logging.ERROR)
        # Ctrl-C ends Playwright's driver first, and what waits for it is then never asked for.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        require_call_bench()
        # It imports Playwright, which may be what is missing.
        runs = importlib.import_module("bench.janus.runs")
        result: dict[str, Any] = {
            "command": command_line("bench.janus_call"),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": describe_machine(),
            "programs": versions(),
            "load_before": _load(),
        }
        with kept_on_failure(_say) as folder:
            if alignment:
                name, markdown = "janus_alignment", alignment_markdown
                result |= runs.measure(
                    folder,
                    seconds=seconds or ALIGNMENT_S,
                    networks=[PROFILES.get(network) for network in networks],
                    say=_say,
                )
            else:
                name, markdown = f"janus_call_{participants}", call_markdown
                result |= {"participants": participants} | runs.hold_call(
                    participants,
                    clips_dir or clips_beside_checkout(),
                    folder,
                    seconds=seconds or CLIP_S,
                    height_px=height,
                    pictures_per_s=pictures_per_s,
                    say=_say,
                )
            if "checks" not in result and "ways" not in result:
                return
            result["load_after"] = _load()
            click.echo(markdown(result))
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)
                (out / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
                (out / f"{name}.md").write_text(markdown(result))
            failures = _failures(result)
            if failures:
                raise CallBenchError(
                    f"Not as it must be: {'; '.join(failures)}.", fix="See the table above, and the logs."
                )


if __name__ == "__main__":
    main()
