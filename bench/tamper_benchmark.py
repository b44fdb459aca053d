"""Builds the tamper benchmark of one split of a folder of real clips, for ``seamwatch evaluate``.

python -m bench.tamper_benchmark ../shared/clips --split test --out /tmp/tamper-test
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from training.cli.console import counting_bar
from training.data.manifest import read_manifest
from training.data.splits import Split
from training.tamper.benchmark import PER_KIND, build_benchmark
from training.tamper.compression import PROFILES
from training.tamper.kind_list import KINDS
from training.tamper.plan import Group


@click.command()
@click.argument("clips_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--split", type=click.Choice(get_args(Split)), default="test", show_default=True)
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="By default all.")
@click.option("--compression", "profiles", type=click.Choice(list(PROFILES)), multiple=True)
@click.option("--group", "groups", type=click.Choice(list(PER_KIND)), multiple=True, help="By default all.")
@click.option("--seed", type=int, default=20261123, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
def main(
    *,
    clips_dir: Path,
    split: Split,
    kinds: tuple[str, ...],
    profiles: tuple[str, ...],
    groups: tuple[Group, ...],
    seed: int,
    workers: int,
    out: Path,
) -> None:
    """Make paired genuine and tampered files from the clips of one split."""
    with counting_bar("tampering") as update:
        report = build_benchmark(
            read_manifest(clips_dir / "manifest.csv"),
            out,
            split=split,
            seed=seed,
            kinds=kinds or tuple(KINDS),
            profiles=profiles or ("clean", "lq"),
            per_kind={group: PER_KIND[group] for group in groups or PER_KIND},
            workers=workers,
            on_progress=lambda done, total: update(completed=done, total=total),
        )
    for name, reason in report.skipped:
        click.echo(f"skipped {name}: {reason}", err=True)
    click.echo(f"{report.files} files, table {report.table}")


if __name__ == "__main__":
    main()
