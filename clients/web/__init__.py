"""The monitor's page: static files, served as they are."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
