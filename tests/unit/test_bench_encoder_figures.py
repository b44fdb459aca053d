"""Encoders and lossy links in the common form of results."""

from __future__ import annotations

import json

import pytest

from bench.encoder_figures import cost_figures, cost_table
from bench.encoder_variants import DEFAULT, NAIVE, TurnCost
from bench.network.link_figures import link_figures, link_table
from engines.spec import Role
from tests.unit.test_network_bench import FIGURES


def turn(total_ms: float) -> TurnCost:
    return TurnCost(total_ms=total_ms, by_role_ms={Role.DETECTOR: total_ms / 2, Role.IDENTITY: total_ms / 4})


COSTS = {NAIVE: [turn(400.0), turn(300.0), turn(500.0)], DEFAULT: [turn(100.0), turn(150.0), turn(110.0)]}


def test_each_round_is_a_value_and_ratios_are_taken_round_by_round() -> None:
    figures = {figure.name: figure for figure in cost_figures(COSTS)}
    assert figures["naive by default"].values == pytest.approx((4.0, 2.0, 4.545), abs=1e-3)
    assert figures["naive by default"].met is True
    assert figures[f"all encoders, {DEFAULT}"].values == (100.0, 150.0, 110.0)
    assert figures[f"all encoders, {DEFAULT}"].met is True
    assert figures[f"all encoders, {NAIVE}"].bar is None


def test_roles_are_shown_by_variant() -> None:
    table = cost_table(COSTS)
    assert table.columns == ("role", NAIVE, DEFAULT)
    assert table.rows == (("detector", 200.0, 55.0), ("identity", 100.0, 27.5))


def link_rows() -> list[dict]:
    untold = json.loads(json.dumps(FIGURES))
    untold["alignment_error_p95"] = None
    runs = [{"figures": FIGURES}, {"figures": untold}]
    return [
        {"title": "2 % loss", "source": "publisher", "receiver": name, "runs": runs}
        for name in ("seamwatch", "aiortc")
    ]


def test_figures_are_of_our_receiver_and_leave_out_what_no_run_told() -> None:
    figures = {figure.name: figure for figure in link_figures(link_rows())}
    assert len(figures["2 % loss, publisher: A/V error p95"].values) == 1
    assert figures["2 % loss, publisher: audio missing"].unit == "%"
    assert len(figures["2 % loss, publisher: audio missing"].values) == 2
    assert {figure.better for figure in figures.values()} == {"lower"}


def test_the_table_shows_both_receivers() -> None:
    table = link_table(link_rows())
    assert [row[2] for row in table.rows] == ["seamwatch", "aiortc"]
