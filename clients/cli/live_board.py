"""What a monitor says about the participants of a call, for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from clients.printable import printable
from clients.reasons import in_words
from clients.wording import VERDICT_STYLES, clock, number, seam_sentence
from realtime.server.wire import (
    AlertMessage,
    Call,
    ErrorMessage,
    Message,
    Participant,
    ScoreUpdate,
    SeamInfo,
)
from realtime.types import Modality, Seam, TimeSpan

STATE_STYLES = {"clear": "green", "suspicious": "yellow", "alert": "bold red"}
_STATE_WORDS = {"clear": "all clear again", "suspicious": "suspicious", "alert": "ALERT"}


def _span(span: tuple[float, float]) -> TimeSpan:
    return TimeSpan(start_ns=round(span[0] * 1e9), end_ns=round(span[1] * 1e9))


def _seam(seam: SeamInfo) -> Seam:
    return Seam(kind=Modality(seam.kind), a=_span(seam.a), b=_span(seam.b), value=seam.value)


def alert_line(alert: AlertMessage) -> Text:
    """Return an alert as one line: when, who, what, and the moments that show it."""
    line = Text()
    line.append(f"#{alert.seq} ", style="dim")
    line.append(f"{clock(alert.time_s)} ")
    line.append(f"{printable(alert.call)}/{printable(alert.participant)} ", style="bold")
    line.append(_STATE_WORDS[alert.state], style=STATE_STYLES[alert.state])
    why = printable(in_words(alert.reasons))
    if why:
        line.append(f": {why}")
    if alert.seams and alert.state != "clear":
        line.append(f". {seam_sentence(_seam(alert.seams[0]))}", style="dim")
    return line


def score_line(score: ScoreUpdate) -> Text:
    """Return a running score as one line."""
    line = Text()
    line.append(f"{clock(score.time_s)} ")
    line.append(f"{printable(score.call)}/{printable(score.participant)} ", style="bold")
    line.append(score.verdict, style=VERDICT_STYLES[score.verdict])
    line.append(f" score {number(score.score)} face {number(score.intra)} lips/voice {number(score.cross)}")
    line.append(f" lag {number(score.lag_ms, 0, ' ms')}")
    why = printable(in_words(score.reasons))
    return line.append(f" ({why})") if why else line


def message_line(message: Message) -> Text | None:
    """Return a message as one line for people; None for those that say nothing by themselves."""
    if isinstance(message, AlertMessage):
        return alert_line(message)
    if isinstance(message, ScoreUpdate):
        return score_line(message)
    if isinstance(message, Participant):
        reason = printable(f": {message.reason}" if message.reason else "")
        return Text(f"{printable(message.call)}/{printable(message.participant)} {message.state}{reason}")
    if isinstance(message, Call):
        reason = printable(f": {message.reason}" if message.reason else "")
        return Text(f"{printable(message.call)} {message.state}{reason}")
    if isinstance(message, ErrorMessage):
        return Text(f"{printable(message.message)} {printable(message.fix)}", style="red")
    return None


class LiveBoard:
    """The newest score of every participant, as a table that can be drawn at any time.

    It holds one row a participant named at the start, and no history.
    """

    def __init__(self, participants: list[str]) -> None:
        self._newest: dict[str, ScoreUpdate | None] = dict.fromkeys(participants)

    def apply(self, message: Message) -> None:
        """Take a message in; only scores of the participants named at the start change the table."""
        if isinstance(message, ScoreUpdate) and message.participant in self._newest:
            self._newest[message.participant] = message

    def table(self) -> Table:
        """Return the table as it stands."""
        table = Table(show_edge=False, pad_edge=False)
        table.add_column("Participant", overflow="fold")
        table.add_column("Time", justify="right")
        table.add_column("Verdict")
        for title in ("Score", "Face", "Lips/voice", "Lag"):
            table.add_column(title, justify="right")
        table.add_column("Why", overflow="fold")
        for name, score in self._newest.items():
            if score is None:
                table.add_row(Text(name), *[""] * 6, Text("waiting for media", style="dim"))
                continue
            table.add_row(
                Text(name),
                clock(score.time_s),
                Text(score.verdict, style=VERDICT_STYLES[score.verdict]),
                number(score.score),
                number(score.intra),
                number(score.cross),
                number(score.lag_ms, 0, " ms"),
                Text(printable(in_words(score.reasons))),
            )
        return table
