"""What ``seamwatch scan`` prints: one JSON object a file, or a table in words."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.graph_schema import scan_detection
from clients.printable import printable
from clients.reasons import in_words
from clients.wording import VERDICT_STYLES, is_baseline, number, seam_sentence
from engines.errors import SeamwatchError
from realtime.scan import ScanResult
from realtime.types import Alert, Seam, SimilarityMatrix, Verdict

SHOWN_SEAMS = 3


def rounded(value: float | None, digits: int) -> float | None:
    """Return a value with so many decimals; None stays None, and what is not finite becomes None."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def unreadable_result(file: str, engines: dict[str, str]) -> ScanResult:
    """Return the result of a file that nothing could be read from."""
    nothing = SimilarityMatrix(values=np.zeros((0, 0), dtype=np.float32), spans=(), worst=None)
    return ScanResult(
        file=file,
        duration_s=0.0,
        score=None,
        intra=None,
        cross=None,
        lag_ms=None,
        verdict=Verdict.INSUFFICIENT,
        reasons=("unreadable",),
        seams=(),
        alerts=(),
        latency_ms=None,
        engines=engines,
        timeline=(),
        progress=(),
        intra_matrix=nothing,
        cross_matrix=nothing,
    )


def _seam_object(seam: Seam) -> dict[str, Any]:
    return {
        "kind": seam.kind.value,
        "a": list(seam.a.seconds),
        "b": list(seam.b.seconds),
        "value": rounded(seam.value, 4),
    }


def _alert_object(alert: Alert) -> dict[str, Any]:
    return {
        "time_s": rounded(alert.time_ns / 1e9, 3),
        "previous": alert.previous.value,
        "state": alert.state.value,
        "margin": rounded(alert.margin, 4),
        "reasons": list(alert.reasons),
        "seams": [_seam_object(seam) for seam in alert.seams],
        "values": {name: rounded(value, 4) for name, value in alert.values.items()},
    }


def json_line(result: ScanResult, error: SeamwatchError | None = None) -> str:
    """Return the JSON object of one file, without a line end; spans and times in seconds of the file.

    Args:
        result: What the file said.
        error: Why it could not be read; adds the key ``error`` and leaves the duration null.
    """
    values: dict[str, Any] = {
        "file": result.file,
        "duration_s": None if error else rounded(result.duration_s, 3),
        "score": rounded(result.score, 4),
        "intra": rounded(result.intra, 4),
        "cross": rounded(result.cross, 4),
        "lag_ms": rounded(result.lag_ms, 1),
        "verdict": result.verdict.value,
        "reasons": list(result.reasons),
        "seams": [_seam_object(seam) for seam in result.seams],
        "alerts": [_alert_object(alert) for alert in result.alerts],
        "latency_ms": rounded(result.latency_ms, 1),
        "engines": dict(result.engines),
    }
    if error is not None:
        values["error"] = {"message": error.message, "fix": error.fix}
    return json.dumps(values, allow_nan=False)


def graph_line(result: ScanResult, path: Path) -> str:
    """Return the JSON object of one file in the shape of Microsoft Graph, without a line end.

    Args:
        result: What the file said.
        path: The file.
    """
    size_bytes = path.stat().st_size if path.is_file() else 0
    scanned_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps(scan_detection(result, scanned_at=scanned_at, size_bytes=size_bytes), allow_nan=False)


def _table(results: Sequence[ScanResult]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("File", overflow="fold")
    table.add_column("Verdict")
    table.add_column("Score", justify="right")
    table.add_column("Face", justify="right")
    table.add_column("Lips/voice", justify="right")
    table.add_column("Lag", justify="right")
    table.add_column("Why", overflow="fold")
    for result in results:
        verdict = result.verdict.value
        table.add_row(
            Text(printable(result.file)),
            Text(verdict, style=VERDICT_STYLES[verdict]),
            number(result.score),
            number(result.intra),
            number(result.cross),
            number(result.lag_ms, 0, " ms"),
            Text(printable(in_words(result.reasons))),
        )
    return table


def people_view(results: Sequence[ScanResult]) -> RenderableType:
    """Return the table of all files and, for those that do not fit together, the moments that show it."""
    parts: list[RenderableType] = [_table(results)]
    for result in results:
        if result.verdict in (Verdict.FAKE, Verdict.SUSPICIOUS) and result.seams:
            parts.append(Text(f"\n{printable(result.file)}", style="bold"))
            parts.extend(Text(f"  {seam_sentence(seam)}") for seam in result.seams[:SHOWN_SEAMS])
    if any(is_baseline(engine) for result in results for engine in result.engines.values()):
        parts.append(
            Text(
                "\nLips and voice were compared with the baseline encoders, which are untrained.", style="dim"
            )
        )
    return Group(*parts)
