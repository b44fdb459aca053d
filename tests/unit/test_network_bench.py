"""What the network benches say about machines, sources and verdicts."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench import lossy_link, lossy_verdicts
from bench.network import namespaces, sources
from bench.network.link_report import COLUMNS, cells_of, markdown
from bench.network.namespaces import why_unavailable
from bench.network.profiles import PROFILES
from bench.network.sources import command_of
from bench.network.verdicts import verdicts_of
from realtime.server.wire import AlertMessage, Message, ScoreUpdate
from training.evaluate.clips import EvaluationClip

FIGURES: dict[str, Any] = {
    "alignment": 1.5,
    "alignment_error_p95": 2.5,
    "alignment_error_with_reports_p95": 2.25,
    "alignment_error_before_reports": None,
    "cores": 0.1,
    "cores_per_delivered": 0.12,
    "video": {
        "gap": 80.0,
        "freeze": 60.0,
        "missing": 0.25,
        "corrupt": 0,
        "pictures": 9,
        "delay": 66.0,
        "delay_p95": 70.0,
        "hold": None,
    },
    "audio": {
        "missing": 0.05,
        "lost_by_link": None,
        "wrong": 0.0,
        "delay": 30.0,
        "delay_p95": 31.0,
        "hold": 1.0,
    },
}


def score(participant: str, time_s: float, status: str = "ok", value: float | None = 0.9) -> ScoreUpdate:
    return ScoreUpdate.model_validate(
        {
            "call": "c",
            "participant": participant,
            "time_s": time_s,
            "status": status,
            "reasons": [] if status == "ok" else ["no_face"],
            "verdict": "genuine",
            "state": "clear",
            "score": value,
            "face_coverage": 1.0,
            "speech_coverage": 1.0,
            "intra_windows": 1,
            "cross_windows": 1,
            **dict.fromkeys(("intra", "cross", "recent_intra", "recent_cross", "margin", "lag_ms")),
        }
    )


def alert(participant: str, state: str) -> AlertMessage:
    return AlertMessage.model_validate(
        {
            "call": "c",
            "participant": participant,
            "time_s": 3.0,
            "raised_at": "2026-01-01T00:00:00Z",
            "previous": "clear",
            "state": state,
            "margin": -0.5,
            "reasons": ["lips_do_not_fit_voice"],
            "seams": [],
            "values": {},
            "engines": {},
            "seq": 1,
        }
    )


def test_verdicts_follow_the_rule_for_files() -> None:
    messages: list[Message] = [
        score("a", 1.0),
        score("b", 1.0),
        alert("b", "suspicious"),
        alert("b", "alert"),
        score("b", 4.0),
        score("c", 1.0, status="insufficient", value=None),
        score("stranger", 1.0),
    ]
    verdicts = verdicts_of(messages, ["a", "b", "c", "d"])
    assert {name: one.verdict for name, one in verdicts.items()} == {
        "a": "genuine",
        "b": "fake",
        "c": "insufficient",
        "d": "insufficient",
    }
    assert verdicts["b"].reasons == ("lips_do_not_fit_voice",)
    assert verdicts["c"].reasons == ("no_face",)
    assert verdicts["d"].reasons == ("too_short",)
    assert verdicts["b"].scores == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sys.platform", "win32", "on Linux"),
        ("shutil.which", lambda _: None, "iproute2"),
        ("os.geteuid", lambda: 1000, "sudo"),
        ("TUN", Path("/nowhere/tun"), "modprobe tun"),
    ],
)
def test_a_machine_without_links_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object, words: str
) -> None:
    monkeypatch.setattr(namespaces.shutil, "which", lambda _: "/sbin/ip")
    monkeypatch.setattr(namespaces.os, "geteuid", lambda: 0)
    monkeypatch.setattr(namespaces, "TUN", Path("/"))
    monkeypatch.setattr(f"bench.network.namespaces.{name}", value)
    problem = why_unavailable()
    assert problem is not None
    assert words in problem.fix
    for command, arguments in ((lossy_link.main, []), (lossy_verdicts.main, [".", "--network", "clean"])):
        refused = CliRunner().invoke(command, arguments)
        assert refused.exit_code == 1
        assert words in refused.output


def test_without_ffmpeg_its_rows_are_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FFMPEG_PACKAGE", "no_such_package")
    monkeypatch.setattr(sources.shutil, "which", lambda _: None)
    usable, version, notes = lossy_link.available(("publisher", "ffmpeg"))
    assert (usable, version) == (["publisher"], None)
    assert "pip install" in notes[0]
    assert lossy_link.available(("publisher",)) == (["publisher"], None, [])


def test_the_publisher_is_started_with_its_own_clip() -> None:
    command = command_of("publisher", {"publisher": Path("a.webm"), "ffmpeg": Path("a.mov")}, "http://h/whip")
    assert command[-2:] == ["http://h/whip", "a.webm"]


def test_cells_show_the_median_and_the_spread() -> None:
    worse = json.loads(json.dumps(FIGURES))
    worse["video"]["gap"], worse["audio"]["lost_by_link"] = 5120.0, 0.05
    cells = dict(
        zip(
            [heading for heading, *_ in COLUMNS],
            cells_of([{"figures": FIGURES}, {"figures": worse}]),
            strict=True,
        )
    )
    assert cells["video gap, ms"] == "2600 (80 to 5120)"
    assert cells["audio missing, %"] == "5"
    assert cells["audio lost by the link, %"] == "5"
    assert list(cells_of([{"figures": FIGURES}]))[8] == "-"


def test_pages_state_machine_command_and_load() -> None:
    machine = {"processor": "P", "cores": 2, "memory_gib": 4, "system": "S", "python": "3", "versions": {}}
    common = {"command": "python -m x", "date": "today", "machine": machine}
    common |= {"load_before": "0.10", "load_after": "0.20"}
    row = {"title": "2 % loss", "source": "publisher", "receiver": "aiortc", "runs": [{"figures": FIGURES}]}
    page = markdown({**common, "ffmpeg": None, "seconds": 30, "seeds": [1], "notes": ["n"], "rows": [row]})
    assert "| 2 % loss | aiortc | 1.5 | 2.5 | 2.25 | - | 80 |" in page
    assert all(text in page for text in ("`python -m x`", "0.10 before, 0.20 after", "- n"))

    def said(verdict: str) -> dict[str, object]:
        return {"verdict": verdict, "reasons": [], "scores": 1, "margin": None}

    clips = [
        EvaluationClip(path=Path(name), is_fake=False, kind="real", generator="", speaker="s", condition="")
        for name in ("one.mp4", "two.mp4")
    ]
    passes = [
        {"title": "no loss", "seed": 1, "verdicts": [said("genuine"), said("genuine")]},
        {"title": "2 % loss", "seed": 2, "verdicts": [said("genuine"), said("suspicious")]},
    ]
    changed = lossy_verdicts.changes(clips, passes)
    assert [change["file"] for change in changed] == ["two.mp4"]
    page = lossy_verdicts.markdown(
        {
            **common,
            "files": ["one.mp4", "two.mp4"],
            "kinds": ["real", "real"],
            "passes": passes,
            "changes": changed,
            "analysis": "afterwards",
            "at_once": 1,
        }
    )
    assert "| 2 % loss | 2 | real | 2 | 1 | 1 | 0 | 0 | 1 |" in page
    assert "- two.mp4: genuine; suspicious" in page


def test_every_network_of_the_issue_is_there() -> None:
    losses = {PROFILES[name].impairment.loss for name in PROFILES}
    assert {0.0, 0.01, 0.02, 0.05, 0.10} <= losses
    impairments = [profile.impairment for profile in PROFILES.values()]
    assert any(one.outage_ns and one.outage_ns[1] - one.outage_ns[0] == 5_000_000_000 for one in impairments)
    assert {10_000_000, 30_000_000} <= {one.jitter_ns for one in impairments}
    assert any(one.reorder for one in impairments)
    assert any(one.duplicate for one in impairments)
    assert any(one.burst_packets for one in impairments)
