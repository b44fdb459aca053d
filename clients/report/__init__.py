"""Scan results as one self-contained page."""

from clients.report.page import write_report

__all__ = ["write_report"]
