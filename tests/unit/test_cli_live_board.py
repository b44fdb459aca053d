"""What a terminal shows of a monitor's messages."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

from clients.cli.live_board import LiveBoard, message_line
from realtime.server.wire import ErrorMessage, Message
from tests.support.wire_messages import alert, call, hello, joined, left, reception, score


def shown(renderable: RenderableType) -> str:
    output = io.StringIO()
    Console(file=output, width=160).print(renderable)
    return output.getvalue()


def line(message: Message) -> str:
    text = message_line(message)
    assert text is not None
    return text.plain


def test_the_table_holds_the_newest_score_of_everyone_named() -> None:
    board = LiveBoard(["anna", "ben"])
    assert shown(board.table()).count("waiting for media") == 2
    board.apply(score("anna", verdict="suspicious", score=0.5))
    board.apply(score("anna", verdict="fake", score=None, intra=None, reasons=["no_speech"]))
    board.apply(score("stranger"))
    anna, ben = shown(board.table()).splitlines()[-2:]
    assert all(word in anna for word in ("anna", "fake", "1:05.2", "0.45", "40 ms", "no speech"))
    assert "waiting for media" in ben
    assert "stranger" not in shown(board.table())


def test_an_alert_line_says_who_what_and_where() -> None:
    assert line(alert("anna")) == (
        "#7 0:12.0 stream/anna ALERT: the face changes its identity. "
        "The face at 0:01.0\N{EN DASH}0:02.0 does not look like the face at 0:10.0\N{EN DASH}0:11.0 "
        "(similarity 0.20)."
    )


def test_an_alert_that_is_lifted_shows_no_evidence() -> None:
    lifted = line(alert("anna", state="clear", reasons=["evidence_ran_out"]))
    assert lifted == "#7 0:12.0 stream/anna all clear again: nothing left to compare"


def test_other_messages() -> None:
    assert line(joined("anna")) == "stream/anna joined"
    assert line(left("anna")) == "stream/anna left: done"
    assert line(score("anna", cross=None, lag_ms=None)) == (
        "1:05.2 stream/anna genuine score 1.25 face 0.80 lips/voice \N{EN DASH} lag \N{EN DASH}"
    )
    assert line(ErrorMessage(code="x", message="It broke.", fix="Mend it.")) == "It broke. Mend it."
    assert line(call("joined")) == "stream joined"
    assert line(call("reconnecting", "The room is away.")) == "stream reconnecting: The room is away."
    assert message_line(hello()) is None
    assert message_line(reception("anna")) is None


def test_what_a_server_sends_cannot_steer_the_terminal() -> None:
    nasty = "a\x1b[2J\nb"
    board = LiveBoard(["anna"])
    board.apply(score("anna", reasons=[nasty]))
    error = ErrorMessage(code="x", message=nasty, fix=nasty)
    for message in (
        alert(nasty, call=nasty, reasons=[nasty]),
        score(nasty, reasons=[nasty]),
        joined(nasty),
        call("ended", nasty),
        error,
    ):
        assert line(message).isprintable()
    assert "\x1b" not in shown(board.table())
