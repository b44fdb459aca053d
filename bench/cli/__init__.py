"""``seamwatch bench``: measurements, each in a module that is imported only when it runs."""

from bench.cli.group import bench

__all__ = ["bench"]
