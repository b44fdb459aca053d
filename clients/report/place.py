"""Where a report may be written."""

from __future__ import annotations

import os
from pathlib import Path

from realtime.errors import ConfigurationError


def require_report_folder(report: Path) -> None:
    """Refuse a place that a report cannot be written to, before any work.

    Raises:
        ConfigurationError: It cannot be written there.
    """
    folder = report.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or report.is_dir():
        raise ConfigurationError(
            f"The report cannot be written to {report}.",
            fix="Name a file in a folder that exists and that you may write to.",
        )
