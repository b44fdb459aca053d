"""How the rate of false alarms is chosen: on the command line, by call, and for a file."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.decision_options import decision_options
from clients.cli.main import main
from realtime.config import MAX_FALSE_ALARMS_PER_HOUR, DecisionConfig
from realtime.decisions import DecisionChoice


@given(
    seconds=st.floats(0.1, 1e5),
    per_file=st.floats(1e-4, 0.5),
    per_hour=st.floats(1e-4, MAX_FALSE_ALARMS_PER_HOUR),
)
def test_a_file_keeps_its_chance_or_the_rate_of_a_call(
    seconds: float, per_file: float, per_hour: float
) -> None:
    call = DecisionConfig(false_alarms_per_hour=per_hour, false_alarms_per_file=per_file)
    file = call.for_file(seconds)
    assert call.false_alarms_per_hour <= file.false_alarms_per_hour <= MAX_FALSE_ALARMS_PER_HOUR
    if file is call:
        return
    hours = seconds / 3600.0
    assert file.head_start_h == hours < call.head_start_h
    bound = 2.0 * hours / (1.0 + hours) * file.false_alarms_per_hour
    assert bound <= per_file * (1 + 1e-9)
    if file.false_alarms_per_hour < MAX_FALSE_ALARMS_PER_HOUR:
        assert bound == pytest.approx(per_file)


@given(seconds=st.floats(0.1, 1e5), per_file=st.floats(1e-4, 0.5))
def test_a_file_is_judged_as_a_call_only_where_its_chance_allows_no_more(
    seconds: float, per_file: float
) -> None:
    call = DecisionConfig(false_alarms_per_file=per_file)
    if call.for_file(seconds) is call:
        hours = seconds / 3600.0
        allowed = per_file * (1.0 + hours) / (2.0 * hours)
        assert hours >= call.head_start_h or allowed <= call.false_alarms_per_hour


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1800.0, 36_000.0])
def test_a_file_of_unknown_length_or_a_long_one_is_judged_as_a_call(seconds: float) -> None:
    call = DecisionConfig()
    assert call.for_file(seconds) is call


def test_everything_else_stays_as_it_was() -> None:
    call = DecisionConfig(least_evidence=30.0, dense_progress=0.2, suspicious_progress=0.7)
    file = call.for_file(60.0)
    assert (file.least_evidence, file.dense_progress, file.suspicious_progress) == (30.0, 0.2, 0.7)


@click.command()
@decision_options
def command(deciding: DecisionChoice) -> None:
    click.echo(f"{deciding.calibration} {deciding.false_alarms_per_hour} {dict(deciding.rates_per_hour)}")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_both_options_reach_the_command_together() -> None:
    assert run().stdout == "None None {}\n"
    given_both = run("--false-alarms-per-hour", "0.5", "--calibration", "mine.json")
    assert given_both.stdout == f"{Path('mine.json')} 0.5 {{}}\n"


@pytest.mark.parametrize("rate", ["0", "-1", "60.1", "often"])
def test_a_rate_out_of_range_is_a_usage_fault(rate: str) -> None:
    assert run("--false-alarms-per-hour", rate).exit_code == 2


@pytest.mark.parametrize("name", ["serve", "join", "scan", "demo"])
def test_the_commands_that_calibrate_names_offer_both(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert "--false-alarms-per-hour" in shown.stdout
    assert "--calibration" in shown.stdout
    assert "1/24" in shown.stdout
