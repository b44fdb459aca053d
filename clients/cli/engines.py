"""``seamwatch engines``: build engines for this host, and prove that they say what their models say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from clients.cli.engine_inputs import chosen_clips, chosen_plan, live_windows
from clients.cli.engine_options import set_folder, threads_option
from clients.cli.engine_output import (
    build_json,
    clips_table,
    listing_row,
    listing_table,
    parities_of,
    parity_table,
    set_json,
    show_build,
    show_contracts,
    show_notes,
)
from clients.cli.errors import EXIT_FAULT, show_error
from clients.cli.examples import examples
from clients.cli.steps import Steps, counted_steps
from clients.engine_scans import ReferenceScan, compare_results, scan_clips, suite_of
from clients.printable import printable
from engines.base import Engine
from engines.build.builder import STEPS_A_ROLE, SetRequest, build_set
from engines.build.evidence import Evidence, no_evidence
from engines.build.opening import open_engines
from engines.build.parity import Parity
from engines.build.report import ClipComparison, parity_report
from engines.build.sets import PARITY_NAME, StoredSet, default_root, misfits, read_set, set_folders
from engines.build.sources import DEFAULT_NAME, Sources, build_request, read_sources
from engines.build.verification import measure_parity
from engines.errors import EngineError
from engines.spec import Role
from engines.store.files import write_atomically
from engines.store.store import ModelStore
from realtime.config import MonitorConfig
from realtime.encoders.scheduler import MAX_BATCH
from realtime.errors import ConfigurationError
from realtime.interrupt import sigterm_as_interrupt

_CLIPS = click.option(
    "--clips",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Clip or folder of clips whose windows are compared; may be repeated. Default: a synthetic clip.",
)
_INT8_WITHOUT_CLIPS = (
    "int8 is judged on no real person: ranges that fit one face or voice may cut another one off. "
    "Name clips of several people with --clips."
)


@click.group()
def engines() -> None:
    """Build engines for this host, and prove that they say what their models say.

    They lie in the user's cache folder, or in the folder named by SEAMWATCH_ENGINES.
    """


@engines.command(
    epilog=examples(
        "seamwatch engines build",
        "seamwatch engines build --backend onnxruntime --precision speech=int8 --precision audio=int8",
        "seamwatch engines build --backend tensorrt --precision fp16 --max-batch 16 --out engines",
    )
)
@click.option(
    "--backend",
    "backends",
    multiple=True,
    default=("auto",),
    show_default=True,
    metavar="[ROLE=]NAME",
    help="onnxruntime, openvino, tensorrt, torch-tensorrt, torch or auto; may be repeated for single roles.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    default=("fp32",),
    show_default=True,
    metavar="[ROLE=]PRECISION",
    help="fp32, fp16, bf16 or int8; may be repeated for single roles.",
)
@click.option("--checkpoint", default=DEFAULT_NAME, show_default=True, help="Folder of a checkpoint.")
@click.option(
    "--max-batch",
    type=click.IntRange(min=1),
    default=MAX_BATCH,
    show_default=True,
    help="Largest batch that a run gets.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to; default: the cache.")
@_CLIPS
@click.option("--no-clips", is_flag=True, help="Compare on made-up inputs alone.")
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def build(
    *,
    backends: tuple[str, ...],
    precisions: tuple[str, ...],
    checkpoint: str,
    max_batch: int,
    out: Path | None,
    clips: tuple[Path, ...],
    no_clips: bool,
    threads: int,
    as_json: bool,
) -> None:
    """Build one engine for each encoder, compare it with its model, and write the set.

    An engine that is too far from its model is refused, and nothing is written. What was built before is
    used again.
    """
    if clips and no_clips:
        raise ConfigurationError("--clips and --no-clips exclude each other.", fix="Give one of them.")
    config = MonitorConfig()
    windows = live_windows(config)
    folder = _checkpoint_folder(checkpoint)
    with sigterm_as_interrupt(), counted_steps(STEPS_A_ROLE * len(Role) + 1) as steps:
        steps.begin("reading models")
        sources = read_sources(ModelStore(), folder, threads)
        plan = chosen_plan(
            sources, windows, backends, precisions, lambda: steps.within("measuring CPU backends", 0.0)
        )
        if not clips and any(one.precision == "int8" for one in plan.assignments.values()):
            click.echo(_INT8_WITHOUT_CLIPS, err=True)
        evidence = no_evidence() if no_clips else _reference(clips, sources, config, steps).evidence()
        request = SetRequest(
            sources=sources,
            plan=plan,
            windows=windows,
            max_batch=max_batch,
            threads=threads,
            evidence=evidence,
            command=_command(backends, precisions, folder, max_batch, clips, no_clips=no_clips),
        )
        result = build_set(
            request,
            default_root(),
            None if out is None else out.absolute(),
            lambda role, what: steps.begin(f"{role.value}: {what}"),
        )
    if as_json:
        click.echo(json.dumps(build_json(result, plan.reason), indent=1))
    else:
        show_build(Console(highlight=False), result, plan.reason)


@engines.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array on stdout.")
def list_sets(as_json: bool) -> None:
    """Show the sets in the cache, and whether they fit this host."""
    root = default_root()
    rows = [listing_row(folder) for folder in set_folders(root)]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    console = Console(highlight=False)
    console.print(listing_table(rows))
    for row in rows:
        for reason in row["reasons"]:
            console.print(printable(f"{row['name']}: {reason}"), markup=False, soft_wrap=True)
    console.print(printable(f"Folder: {root}"), markup=False, soft_wrap=True)


@engines.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def inspect(directory: Path, as_json: bool) -> None:
    """Show the contracts of a set: a folder, or a name that `list` shows."""
    stored = read_set(set_folder(directory))
    reasons = misfits(stored)
    if as_json:
        click.echo(json.dumps({**set_json(stored), "misfits": reasons}, indent=1))
        return
    console = Console(highlight=False)
    show_contracts(console, stored)
    console.print(parity_table(stored.engines, parities_of(stored)))
    show_notes(console, stored)
    for reason in reasons or ["It fits this host."]:
        console.print(printable(reason), markup=False, soft_wrap=True)


@engines.command(
    epilog=examples(
        "seamwatch engines verify DIR",
        "seamwatch engines verify DIR --clips validation/",
    )
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@_CLIPS
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print parity.json on stdout.")
def verify(directory: Path, clips: tuple[Path, ...], threads: int, as_json: bool) -> None:
    """Check a set's files, contract and host, then compare it with its models once more.

    Scans the clips with the set and with the reference engines, and compares scores and verdicts. Writes
    parity.json into the set. Exit code 1 if an engine is too far from its model, or a verdict changed.
    """
    config = MonitorConfig()
    stored = read_set(set_folder(directory))
    with sigterm_as_interrupt(), counted_steps(len(Role) + 3) as steps:
        steps.begin("reading models")
        opened = open_engines(stored.folder, threads=threads, windows=live_windows(config))
        try:
            sources = _same_sources(stored, threads)
            reference = _reference(clips, sources, config, steps)
            steps.begin("scanning with the reference engines")
            reference_results = reference.results
            evidence = reference.evidence()
            parities: dict[Role, Parity] = {}
            for role, engine in opened.engines.items():
                steps.begin(f"{role.value}: comparing")
                parities[role] = _parity(stored, role, engine, sources, evidence)
            steps.begin("scanning with the engines")
            suite = suite_of(opened.engines, stored.record.checkpoint.context_ticks, config)
            found = scan_clips(reference.clips, suite, config, steps.within)
        finally:
            opened.close()
    compared = [compare_results(wanted, one) for wanted, one in zip(reference_results, found, strict=True)]
    report = parity_report(parities, compared)
    _keep_report(stored, report)
    if as_json:
        click.echo(report.decode(), nl=False)
    else:
        console = Console(highlight=False)
        console.print(parity_table(stored.engines, parities))
        console.print(clips_table(compared))
    _end_on_failure(stored, parities, compared)


def _reference(
    clips: tuple[Path, ...], sources: Sources, config: MonitorConfig, steps: Steps
) -> ReferenceScan:
    return ReferenceScan(chosen_clips(clips, steps.within), sources, config, steps.within)


def _checkpoint_folder(checkpoint: str) -> Path | None:
    return None if checkpoint == DEFAULT_NAME else Path(checkpoint).absolute()


def _command(
    backends: tuple[str, ...],
    precisions: tuple[str, ...],
    checkpoint: Path | None,
    max_batch: int,
    clips: tuple[Path, ...],
    *,
    no_clips: bool,
) -> tuple[str, ...]:
    """Return the arguments that build the same set again, wherever the user is."""
    arguments: list[str] = []
    for option, values in (("--backend", backends), ("--precision", precisions)):
        for value in values:
            arguments += [option, value]
    if checkpoint is not None:
        arguments += ["--checkpoint", str(checkpoint)]
    arguments += ["--max-batch", str(max_batch)]
    for clip in clips:
        arguments += ["--clips", str(clip.absolute())]
    return (*arguments, "--no-clips") if no_clips else tuple(arguments)


def _same_sources(stored: StoredSet, threads: int) -> Sources:
    checkpoint = stored.record.checkpoint
    sources = read_sources(ModelStore(), _checkpoint_folder(checkpoint.name), threads)
    if sources.checkpoint != checkpoint:
        raise EngineError(
            f"The checkpoint {checkpoint.name} is another one than the set was built from.",
            fix=f"Run `{stored.rebuild_command}`.",
        )
    return sources


def _parity(stored: StoredSet, role: Role, engine: Engine, sources: Sources, evidence: Evidence) -> Parity:
    record = stored.engines[role]
    request = build_request(
        sources,
        role,
        record.precision,
        record.windows,
        evidence,
        max_batch=record.max_batch,
        threads=engine.spec.threads,
    )
    return measure_parity(engine, request, evidence)


def _keep_report(stored: StoredSet, report: bytes) -> None:
    path = stored.folder / PARITY_NAME
    try:
        write_atomically(path, report)
    except OSError as error:
        click.echo(f"{printable(str(path))} cannot be written: {error.strerror}", err=True)


def _end_on_failure(stored: StoredSet, parities: dict[Role, Parity], compared: list[ClipComparison]) -> None:
    far = [role.value for role, parity in parities.items() if not parity.passed]
    changed = [one.clip for one in compared if not one.passed]
    if far:
        show_error(f"Too far from their models: {', '.join(far)}.", fix=f"Run `{stored.rebuild_command}`.")
    if changed:
        show_error(
            f"The engines change the verdict on {', '.join(changed)}.",
            fix="Build the set with --precision fp32.",
        )
    if far or changed:
        sys.exit(EXIT_FAULT)
