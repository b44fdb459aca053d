"""The alert state machine: clear -> suspicious -> alert -> clear, by evidence and call time alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from realtime.config import AlertConfig
from realtime.timebase import NS_PER_S
from realtime.types import Alert, AlertState, Seam

CONSISTENT_AGAIN = "consistent_again"
EVIDENCE_RAN_OUT = "evidence_ran_out"

#: A suspicion lapses when its channels bring no evidence for so long. An alert never lapses.
SUSPICION_LAPSES_AFTER_NS = 60 * NS_PER_S
#: One update vouches for no more call time than this, however long ago the last one was.
MAX_STEP_NS = NS_PER_S


@dataclass(slots=True)
class _Dwell:
    """How long a channel's evidence has been on one side of a threshold without a break; None: it is not."""

    below_onset_ns: int | None = None
    below_alert_ns: int | None = None
    above_offset_ns: int | None = None

    def add(self, margin: float, step_ns: int, config: AlertConfig) -> None:
        def extended(dwell_ns: int | None, holds: bool) -> int | None:
            if not holds:
                return None
            return 0 if dwell_ns is None else dwell_ns + step_ns

        self.below_onset_ns = extended(self.below_onset_ns, margin < config.onset_margin)
        self.below_alert_ns = extended(self.below_alert_ns, margin < config.alert_margin)
        self.above_offset_ns = extended(self.above_offset_ns, margin > config.offset_margin)

    def suspicious(self, config: AlertConfig) -> bool:
        return self.below_onset_ns is not None and self.below_onset_ns >= config.suspicious_after_ns

    def alarming(self, config: AlertConfig) -> bool:
        return self.below_alert_ns is not None and self.below_alert_ns >= config.alert_after_ns

    def calm(self, config: AlertConfig) -> bool:
        return self.above_offset_ns is not None and self.above_offset_ns >= config.clear_after_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a sequential test says of the channels that it watches.

    Attributes:
        suspects: Channels with most of the evidence, while it is a good part of what an alarm needs.
        culprits: Channels that the alarm stands on, while it is raised.
    """

    suspects: tuple[str, ...]
    culprits: tuple[str, ...]


class AlertMachine:
    """Turns channel margins, and the findings of a sequential test, into transitions.

    - Every channel is timed on its own, and only by updates that bring it evidence. Without evidence (None)
      its clocks stand still: silence neither raises nor clears.
    - A channel below onset for ``suspicious_after_ns`` makes a clear participant suspicious; below the alert
      threshold for ``alert_after_ns`` (counted from when it went below, suspicion included) it makes a
      suspicious one an alert. The channels that qualify are the causes of the state.
    - The state is lifted once every cause was above offset for ``clear_after_ns``. A participant in alert
      that goes silent or leaves the picture therefore stays in alert.
    - Channels that a sequential test watches become an alert by its alarm alone, which keeps a rate of false
      alarms; their margins still raise a suspicion. They are calm only while the test is, too.
    - A mere suspicion whose causes bring no evidence for ``SUSPICION_LAPSES_AFTER_NS`` lapses; the verdict
      is then insufficient, not genuine.

    Args:
        config: Thresholds and minimum durations.
        tested: The channels that a sequential test watches.
    """

    def __init__(self, config: AlertConfig, tested: Collection[str] = ()) -> None:
        self._config = config
        self._tested = frozenset(tested)
        self._found = Finding(suspects=(), culprits=())
        self._state = AlertState.CLEAR
        self._dwells: dict[str, _Dwell] = {}
        self._causes: set[str] = set()
        self._cause_seen_ns = 0
        self._time_ns: int | None = None

    @property
    def state(self) -> AlertState:
        """The state after the last update."""
        return self._state

    @property
    def causes(self) -> tuple[str, ...]:
        """The channels behind the state, with those that joined after it was raised; by name."""
        return tuple(sorted(self._causes))

    def update(
        self,
        time_ns: int,
        margins: Mapping[str, float | None],
        seams: Callable[[], tuple[Seam, ...]],
        values: Mapping[str, float | None],
        finding: Finding | None = None,
    ) -> Alert | None:
        """Take the newest evidence and return the transition it causes, if any.

        Args:
            time_ns: Call time of the evidence; rises from update to update.
            margins: Margin of every channel under the reason it stands for, as ``Scorer.fresh_margins``
                gives it; None where there is no new evidence.
            seams: Gives the evidence; called only when a state is raised.
            values: Scores to attach to a transition, by name.
            finding: What the sequential test found; None where it got nothing new.

        Raises:
            ValueError: If the time does not rise or a margin is not finite; the state is left alone.
        """
        if self._time_ns is not None and time_ns <= self._time_ns:
            raise ValueError(f"alert time must rise: {time_ns} ns after {self._time_ns} ns")
        fresh = {channel: margin for channel, margin in margins.items() if margin is not None}
        if not all(math.isfinite(margin) for margin in fresh.values()):
            raise ValueError("a margin is not finite")
        step_ns = 0 if self._time_ns is None else min(time_ns - self._time_ns, MAX_STEP_NS)
        self._time_ns = time_ns
        for channel, margin in fresh.items():
            self._dwells.setdefault(channel, _Dwell()).add(margin, step_ns, self._config)

        suspects = {c: None for c in fresh if self._dwells[c].suspicious(self._config)}
        culprits = {
            c: None for c in fresh if self._dwells[c].alarming(self._config) and c not in self._tested
        }
        if finding is not None:
            self._found = finding
            suspects |= dict.fromkeys(finding.suspects)
        culprits |= dict.fromkeys(self._found.culprits)
        if self._state is not AlertState.CLEAR:
            self._causes.update(suspects, culprits)
        if not self._causes.isdisjoint(fresh):
            self._cause_seen_ns = time_ns

        state, reasons = self._next(time_ns, tuple(suspects), tuple(culprits))
        if state is self._state:
            return None
        previous, self._state = self._state, state
        if state is AlertState.CLEAR:
            for cause in self._causes:
                self._dwells.pop(cause, None)
            self._causes.clear()
        elif previous is AlertState.CLEAR:
            self._causes.update(suspects)
            self._cause_seen_ns = time_ns
        return Alert(
            time_ns=time_ns,
            previous=previous,
            state=state,
            margin=None if reasons == (EVIDENCE_RAN_OUT,) else min(fresh.values(), default=None),
            reasons=reasons,
            seams=() if state is AlertState.CLEAR else seams(),
            values=dict(values),
        )

    def _next(
        self, time_ns: int, suspects: tuple[str, ...], culprits: tuple[str, ...]
    ) -> tuple[AlertState, tuple[str, ...]]:
        if self._state is AlertState.CLEAR:
            return (AlertState.SUSPICIOUS, suspects) if suspects else (self._state, ())
        if self._state is AlertState.SUSPICIOUS and culprits:
            return AlertState.ALERT, culprits
        if all(self._calm(cause) for cause in self._causes):
            return AlertState.CLEAR, (CONSISTENT_AGAIN,)
        lapsed = time_ns - self._cause_seen_ns >= SUSPICION_LAPSES_AFTER_NS
        if self._state is AlertState.SUSPICIOUS and lapsed:
            return AlertState.CLEAR, (EVIDENCE_RAN_OUT,)
        return self._state, ()

    def _calm(self, cause: str) -> bool:
        if cause in self._found.suspects or cause in self._found.culprits:
            return False
        dwell = self._dwells.get(cause)
        return dwell is None or dwell.calm(self._config)
