"""Reports as one self-contained page: on scanned files, and on a live call from what was kept of it."""

from clients.report.page import write_report

__all__ = ["write_report"]
