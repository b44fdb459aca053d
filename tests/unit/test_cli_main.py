"""The command itself: help, version, errors and exit codes."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from clients.cli.errors import exit_code_of, reported_errors
from clients.cli.main import COMMANDS, main
from engines.errors import EngineError, ModelStoreError, SeamwatchError
from realtime.errors import ConfigurationError, MediaError


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command_and_gives_examples(flag: str) -> None:
    result = CliRunner().invoke(main, [flag])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)
    assert "\n    seamwatch demo " in result.output


def test_help_imports_neither_engines_nor_media_libraries() -> None:
    program = (
        "import sys\n"
        "from clients.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'cv2', 'av', 'aiortc', 'onnxruntime'} & sys.modules.keys()))\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"{name} " in result.output


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("seamwatch ")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--log-level", "loud", "scan"], ["scan", "--nonsense"], ["stream"]]
)
def test_usage_faults_exit_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigurationError, 2), (MediaError, 3), (ModelStoreError, 1), (EngineError, 1), (SeamwatchError, 1)],
)
def test_exit_codes_of_stated_faults(error: type[SeamwatchError], code: int) -> None:
    assert exit_code_of(error("what", fix="how")) == code


def ends_with(error: BaseException) -> int:
    with pytest.raises(SystemExit) as ended, reported_errors(details=False):
        raise error
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_stated_fault_in_a_task_group_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    stated = MediaError("This file is torn.", fix="Mend it.")
    group = BaseExceptionGroup("outer", [ValueError("x"), ExceptionGroup("inner", [OSError("y"), stated])])
    assert ends_with(group) == 3
    assert capsys.readouterr().err == "error: This file is torn.\n  fix: Mend it.\n"


def test_interrupts_and_defects() -> None:
    assert ends_with(KeyboardInterrupt()) == 130
    assert ends_with(click.Abort()) == 130
    assert ends_with(ZeroDivisionError()) == 70
    assert ends_with(ExceptionGroup("g", [ZeroDivisionError()])) == 70


@pytest.mark.parametrize("error", [BrokenPipeError(), ExceptionGroup("g", [BrokenPipeError()])])
def test_a_closed_pipe_is_left_to_click(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokenPipeError), reported_errors(details=False):
        raise error
    assert capsys.readouterr().err == ""


def test_messages_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    ends_with(MediaError("\x1b[2J\rcleared", fix=""))
    assert "\x1b" not in capsys.readouterr().err
