"""``seamwatch export``: a trained run to the checkpoint that ships."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from training.errors import require_torch

if TYPE_CHECKING:
    from training.export import ExportedModel


@click.command()
@click.argument("run_dir", metavar="RUN_DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to write; an older export in it is replaced.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Prepared clips that the run was trained on; their corpora and licences go into the record.",
)
def export(*, run_dir: Path, out: Path, data: Path | None) -> None:
    """Turn the best checkpoints of a run into ONNX graphs, weights and checkpoint.json.

    Every graph is compared with the torch model before anything is written.
    """
    require_torch("onnxscript")
    module: ModuleType = importlib.import_module("training.export")
    export_run: Callable[..., list[ExportedModel]] = module.export_run
    for model in export_run(run_dir, out, data):
        click.echo(
            f"{model.path}: {model.size_bytes} bytes, largest difference to torch {model.difference:.2g}"
        )
    click.echo(str(out / module.CONTRACT_NAME))
