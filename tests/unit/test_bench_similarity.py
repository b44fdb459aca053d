"""The similarity bench: both sides compute the same, and its figures say what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bench.cli.similarity import similarity
from bench.similarity.material import IDENTITY_DIMENSION, SPEECH_DIMENSION, MadeUpCall
from bench.similarity.measuring import Similarities, measure
from bench.similarity.recomputation import Recomputation
from bench.similarity.slope import growth
from bench.similarity.summary import figures, table
from realtime.config import MonitorConfig

CONFIG = MonitorConfig()
LAGS = 2 * CONFIG.windows.band_ticks + 1


@pytest.mark.parametrize(("size", "windows"), [(8, 5), (8, 30)])
def test_an_update_and_a_recomputation_give_the_same_scores_and_matrices(size, windows):
    call = MadeUpCall(3, CONFIG.windows)
    rings = Similarities(size, CONFIG)
    anew = Recomputation(
        size,
        identity_dimension=IDENTITY_DIMENSION,
        speech_dimension=SPEECH_DIMENSION,
        lags=LAGS,
        percentile=CONFIG.scoring.percentile,
    )
    for index in range(windows):
        intra, profile = rings.update(call.embeddings(index))
        anew.take(*call.embeddings(index))
        expected = anew.compute(cross_matrix=True)
        assert intra == pytest.approx(expected.intra, abs=1e-3)
        np.testing.assert_allclose(profile, expected.band_means, atol=1e-5)
    in_order = np.argsort(np.arange(windows)[-size:] % size)
    for ring, matrix in ((rings.intra, expected.intra_matrix), (rings.cross, expected.cross_matrix)):
        np.testing.assert_allclose(ring.matrix().values[np.ix_(in_order, in_order)], matrix, atol=1e-5)


def test_the_made_up_call_is_one_person_whose_lips_fit():
    call = MadeUpCall(0, CONFIG.windows)
    rings = Similarities(16, CONFIG)
    for index in range(16):
        intra, profile = rings.update(call.embeddings(index))
    assert intra > CONFIG.scoring.intra_genuine
    assert int(np.argmax(profile)) == CONFIG.windows.band_ticks


@given(power=st.floats(0.1, 3.0), factor=st.floats(0.01, 100.0))
def test_the_growth_of_a_power_law_is_its_power(power, factor):
    sizes = [64, 128, 512, 4096]
    assert growth(sizes, [factor * size**power for size in sizes]) == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize(("sizes", "costs"), [([64], [1.0]), ([64, 64], [1.0, 1.0]), ([64, 128], [1.0, 0.0])])
def test_a_growth_needs_two_sizes_and_positive_costs(sizes, costs):
    with pytest.raises(ValueError, match="positive costs"):
        growth(sizes, costs)


def test_a_measurement_gives_positive_times_and_memory_that_stays():
    found = measure(16, seed=1)
    assert all(value > 0 for name, value in found.items() if name.endswith("_us"))
    assert found["update_matrices_us"] > found["update_us"]
    assert found["bytes_later"] - found["bytes_full"] < 4096


def test_figures_hold_one_ratio_a_seed_and_name_their_bar():
    run = {
        "update_us": 100.0,
        "update_matrices_us": 200.0,
        "recompute_us": 30_000.0,
        "recompute_matrices_us": 30_000.0,
        "judge_us": 400.0,
        "bytes_full": 1000,
        "bytes_later": 1000,
    }
    measured = {512: [{**run, "update_us": 50.0}] * 2, 1024: [run] * 2}
    by_name = {figure.name: figure for figure in figures(measured)}
    scores = by_name["Update by recomputation at T = 1024: scores"]
    both = by_name["Update by recomputation at T = 1024: scores and all matrices"]
    assert scores.values == (300.0, 300.0)
    assert scores.met
    assert both.values == (150.0, 150.0)
    assert both.met is None
    assert by_name["Growth of an update with T from 512 on"].median == pytest.approx(1.0)
    assert [row[0] for row in table(measured).rows] == [512, 1024]


def test_the_command_measures_the_sizes_it_is_told(tmp_path):
    run = CliRunner().invoke(
        similarity, ["--sizes", "16,4,16", "--runs", "1", "--json", "--out", str(tmp_path)]
    )
    assert run.exit_code == 0, run.output
    result = json.loads((tmp_path / "similarity.json").read_text())
    assert result["configuration"]["sizes"] == [4, 16]
    assert [row[0] for row in result["tables"][0]["rows"]] == [4, 16]


@pytest.mark.parametrize("sizes", ["1", "8192", "64;128"])
def test_sizes_that_no_ring_has_are_refused(sizes):
    assert CliRunner().invoke(similarity, ["--sizes", sizes]).exit_code == 2
