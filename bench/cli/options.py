"""The options that all benches share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What every bench is told.

    Attributes:
        out: Folder of the result; None prints only.
        as_json: Whether the result is printed as JSON.
        quick: Whether this is a smoke run.
        runs: How often to measure; 1 where a bench has no such option.
        seconds: How long a run lasts; 0 where a bench has no such option.
    """

    out: Path | None
    as_json: bool
    quick: bool
    runs: int = 1
    seconds: float = 0.0


def bench_options(
    *,
    runs: int | None = None,
    seconds: float | None = None,
    quick_seconds: float = 10.0,
    least_seconds: float = 1.0,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command ``--out --json --quick``, and ``--runs`` and ``--seconds`` where they mean something.

    The command gets them as one keyword argument ``options``. ``--quick`` has defaults of its own.

    Args:
        runs: Default of ``--runs``; None leaves the option out.
        seconds: Default of ``--seconds``; None leaves the option out.
        quick_seconds: That default in a smoke run, which has one run.
        least_seconds: The least that ``--seconds`` may be.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def with_options(*, out: Path | None, as_json: bool, quick: bool, **rest: Any) -> None:
            wanted_runs, wanted_seconds = rest.pop("runs", None), rest.pop("seconds", None)
            options = BenchOptions(
                out=out,
                as_json=as_json,
                quick=quick,
                runs=wanted_runs or (1 if quick else runs or 1),
                seconds=wanted_seconds or (quick_seconds if quick else seconds or 0.0),
            )
            function(options=options, **rest)

        decorated: Callable[..., None] = with_options
        if seconds is not None:
            decorated = click.option(
                "--seconds",
                type=click.FloatRange(min=least_seconds),
                help=f"Of a run.  [default: {seconds:g}, quick {quick_seconds:g}]",
            )(decorated)
        if runs is not None:
            decorated = click.option(
                "--runs", type=click.IntRange(1, 100), help=f"How often.  [default: {runs}, quick 1]"
            )(decorated)
        for option in (
            click.option("--quick", is_flag=True, help="A smoke run of under a minute, marked as such."),
            click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
            click.option(
                "--out",
                type=click.Path(path_type=Path, file_okay=False),
                metavar="DIR",
                help="Write JSON, Markdown and PNG there; otherwise the result is only printed.",
            ),
        ):
            decorated = option(decorated)
        return decorated

    return decorate
