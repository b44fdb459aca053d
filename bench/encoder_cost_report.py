"""Writes the result of ``bench.encoder_cost`` as JSON and as Markdown tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_results(result: Mapping[str, Any], stem: Path) -> None:
    """Write ``stem.json`` and ``stem.md``."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    stem.with_suffix(".md").write_text(markdown(result))


def markdown(result: Mapping[str, Any]) -> str:
    """Return the tables: a row a role and one for all together, a column a variant."""
    machine, variants = result["machine"], result["variants"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rows = [
        [role, f"{runs_per_s:g}", _shapes(result["shapes"][role])]
        + [_spread(variants[name]["by_role_ms"][role]) for name in variants]
        for role, runs_per_s in result["runs_per_s"].items()
    ]
    total = ["**all together**", "", ""] + [_spread(variants[name]["total_ms"]) for name in variants]
    lines = [
        "# CPU time of all encoders for one second of one participant, ms",
        "",
        f"`{result['command']}`, {result['date']}; the variants took turns, "
        f"{result['rounds']} of {result['turn_s']} s each, in real time.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; {versions}.",
        "",
        "Median (lowest to highest). A role's row counts its calls; what threads burn between calls is in",
        "the last row only, which is the CPU time of the whole process.",
        "",
        *_table(["role", "runs a second", "inputs", *variants], [*rows, total]),
        "",
        f"Naive by default, round by round: {_spread(result['naive_by_default'])}.",
        *(f"{bound}: {'yes' if holds else '**no**'}." for bound, holds in result["bounds"].items()),
        "",
        "Naive: the graphs as they ship (YuNet at its fixed 640x640, SFace with weights among its inputs,",
        "FaceMesh converted as it is), one face a call, ONNX Runtime's own choice of threads, which spin.",
        "The speech encoder and the trained encoders are the same graphs everywhere.",
        "",
        *_table(["variant", "engines"], [[name, _engines(ids)] for name, ids in result["engines"].items()]),
        "",
    ]
    return "\n".join(lines)


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def _spread(values: Mapping[str, float]) -> str:
    return f"{values['median']:.1f} ({values['min']:.1f} to {values['max']:.1f})"


def _shapes(shapes: Mapping[str, list[int]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes.values() if shape)


def _engines(ids: Mapping[str, str]) -> str:
    """Return what runs each role: the part of its id behind the model."""
    by_kind: dict[str, list[str]] = {}
    for role, engine_id in ids.items():
        by_kind.setdefault(engine_id.rpartition("/")[2], []).append(role)
    if len(by_kind) == 1:
        return f"{next(iter(by_kind))} for all"
    return "; ".join(f"{kind}: {', '.join(roles)}" for kind, roles in by_kind.items())
