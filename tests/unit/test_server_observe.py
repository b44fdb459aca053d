import json
import logging
from dataclasses import dataclass

import numpy as np
import pytest
import structlog

from realtime.errors import ConfigurationError
from realtime.observe.logging import configure_logging, drop_forbidden, is_forbidden
from realtime.observe.metrics import MonitorMetrics


@pytest.fixture
def restored_logging():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def written(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


@pytest.mark.parametrize(
    "key", ["sdp", "SDP", "offer_sdp", "peer-address", "identity_embedding", "token", "face", "ip"]
)
def test_forbidden_keys(key):
    assert is_forbidden(key)


@pytest.mark.parametrize("key", ["event", "face_coverage", "audio_dropped_ms", "call", "script", "stage"])
def test_keys_that_stay(key):
    assert not is_forbidden(key)


def test_values_that_are_not_plain_lose_their_content():
    @dataclass
    class Secretive:
        sdp: str

    event = {
        "event": "x", "count": 3, "values": np.arange(4.0), "data": b"jpeg", "thing": Secretive("v=0"),
        "nested": {"sdp": "v=0", "ok": [1, b"x"]},
    }  # fmt: skip
    assert drop_forbidden(None, "info", event) == {
        "event": "x", "count": 3, "values": "<ndarray>", "data": "<bytes>", "thing": "<Secretive>",
        "nested": {"ok": [1, "<bytes>"]},
    }  # fmt: skip


def test_json_lines_on_stderr(restored_logging, capsys):
    configure_logging("json")
    structlog.get_logger("a").info("participant_joined", call="c1", offer_sdp="v=0")
    structlog.get_logger("a").debug("too_fine")
    (line,) = written(capsys)
    assert (line["event"], line["call"], line["level"]) == ("participant_joined", "c1", "info")
    assert "offer_sdp" not in line
    assert line["timestamp"].endswith("Z")


def test_exceptions_show_their_place_but_no_foreign_message(restored_logging, capsys):
    configure_logging("json")
    log = structlog.get_logger("a")
    try:
        raise ValueError("candidate 192.0.2.7")
    except ValueError:
        log.exception("request_failed")
    try:
        raise ConfigurationError("No port.", fix="Choose one.")
    except ConfigurationError:
        log.exception("start_failed")
    foreign, own = written(capsys)
    assert foreign["error_type"] == "ValueError"
    assert "test_exceptions_show_their_place" in foreign["frames"][0]
    assert "192.0.2.7" not in json.dumps(foreign)
    assert own["error"] == "No port. Choose one."


def test_libraries_speak_through_the_same_handler_and_ice_stays_quiet(restored_logging, capsys):
    configure_logging("json")
    logging.getLogger("aioice.ice").warning("Connection check to 192.0.2.7")
    logging.getLogger("some.package").warning("careful")
    (line,) = written(capsys)
    assert (line["event"], line["library"], line["text"]) == ("library_message", "some.package", "careful")


def test_console_format(restored_logging, capsys):
    configure_logging("console")
    structlog.get_logger("a").warning("queue_full", stage="faces", sdp="v=0")
    text = capsys.readouterr().err
    assert "queue_full" in text
    assert "faces" in text
    assert "v=0" not in text


def test_console_format_of_exceptions(restored_logging, capsys):
    configure_logging("console")
    try:
        raise ValueError("candidate 192.0.2.7")
    except ValueError:
        structlog.get_logger("a").exception("request_failed")
    text = capsys.readouterr().err
    assert "request_failed" in text
    assert "test_console_format_of_exceptions" in text
    assert "Logging error" not in text
    assert "192.0.2.7" not in text


def test_two_monitors_do_not_share_metrics():
    first, second = MonitorMetrics(), MonitorMetrics()
    first.drop("video", "oldest", 3)
    first.alerts.labels(state="alert").inc()
    first.queue_depth.labels(stage="faces").set(2)
    body, content_type = first.exposition()
    assert content_type.startswith("text/plain")
    text = body.decode()
    assert 'seamwatch_dropped_total{reason="oldest",stage="video"} 3.0' in text
    assert 'seamwatch_queue_depth{stage="faces"} 2.0' in text
    assert "process_resident_memory_bytes" in text
    assert "reason=" not in second.exposition()[0].decode()
