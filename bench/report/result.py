"""What one bench measured, on which machine and with which configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.machine import PACKAGES, describe_machine, load_average
from bench.report.figure import Figure
from bench.report.table import Table
from engines.errors import SeamwatchError


class BenchResultError(SeamwatchError):
    """A file is not a result of a bench, or two results cannot be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """A bench's result.

    Attributes:
        bench: Name of the sub-command of ``seamwatch bench``.
        title: What was measured, in words.
        command: What repeats the measurement; relative paths only.
        date: ISO 8601, UTC.
        machine: As ``describe_machine`` returns it, with ``load_before`` and ``load_after``, each the load
            averages of 1, 5 and 15 minutes.
        configuration: What has to be equal for two results to be comparable; JSON values.
        figures: With different names.
        tables: Shown under the figures.
        notes: Sentences shown at the end.
        details: Everything else, JSON values; not shown.
        quick: Whether this is a smoke run, whose figures nobody may report.
        interrupted: Whether the measurement was stopped before its end.

    Raises:
        ValueError: If two figures have one name.
    """

    bench: str
    title: str
    command: str
    date: str
    machine: dict[str, object]
    configuration: dict[str, object]
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    quick: bool = False
    interrupted: bool = False

    def __post_init__(self) -> None:
        names = [figure.name for figure in self.figures]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.bench}: two figures have one name: {sorted(names)}")

    def to_json(self) -> str:
        """Return the result as JSON.

        Raises:
            ValueError: If the configuration, a table or the details hold a number that is not finite.
            TypeError: If they hold what JSON has no form for.
        """
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str | bytes) -> BenchResult:
        """Read a result.

        Raises:
            BenchResultError: If the text is no result of a bench.
        """
        try:
            return _RESULT.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise BenchResultError(
                f"this is no result of seamwatch bench: {place}: {first['msg']}",
                fix="name a JSON file that seamwatch bench wrote with --out",
            ) from error


_RESULT = TypeAdapter(BenchResult)


def new_result(
    bench: str,
    title: str,
    *,
    command: str,
    configuration: Mapping[str, object],
    figures: Sequence[Figure],
    tables: Sequence[Table] = (),
    notes: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
    load_before: Sequence[float] | None = None,
    packages: Sequence[str] = PACKAGES,
    quick: bool = False,
    interrupted: bool = False,
) -> BenchResult:
    """Return a result with this moment's date and this machine.

    Args:
        bench: Name of the sub-command.
        title: What was measured, in words.
        command: What repeats the measurement.
        configuration: What has to be equal for two results to be comparable.
        figures: With different names.
        tables: Shown under the figures.
        notes: Sentences shown at the end.
        details: Everything else.
        load_before: ``bench.machine.load_average()`` as it was before the measurement.
        packages: Whose versions matter.
        quick: Whether this is a smoke run.
        interrupted: Whether the measurement was stopped before its end.
    """
    machine = describe_machine(packages)
    if load_before is not None:
        machine["load_before"] = list(load_before)
    machine["load_after"] = load_average()
    return BenchResult(
        bench=bench,
        title=title,
        command=command,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        configuration=dict(configuration),
        figures=tuple(figures),
        tables=tuple(tables),
        notes=tuple(notes),
        details=dict(details or {}),
        quick=quick,
        interrupted=interrupted,
    )
