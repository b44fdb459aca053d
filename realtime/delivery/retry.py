"""When a webhook is tried again, and when no more: pure functions of what happened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from enum import StrEnum

_SECONDS = re.compile(r"[0-9]{1,9}")
_TRY_AGAIN = frozenset({408, 425, 429})


class Outcome(StrEnum):
    """How one attempt at one alert ended."""

    DELIVERED = "delivered"
    FAILED = "failed"  #: Trying again may help.
    REFUSED = "refused"  #: Trying this alert again would not help.
    GONE = "gone"  #: The destination wants nothing any more.


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patiently alerts are delivered.

    Attributes:
        first_s: Bound of the first delay; it doubles with every failure in a row.
        longest_s: Bound of every delay.
        longest_asked_s: Longest delay that a destination may ask for.
        give_up_after_s: Age of an alert at which the next failure is its last one.
        least_attempts: How often an alert is tried however old it is.
    """

    first_s: float = 1.0
    longest_s: float = 300.0
    longest_asked_s: float = 3600.0
    give_up_after_s: float = 86_400.0
    least_attempts: int = 5

    def delay_s(self, failures: int, uniform: float, asked_s: float | None = None) -> float:
        """Return how long to wait: exponential backoff with full jitter, and no less than was asked for.

        Args:
            failures: Failures in a row, at least 1.
            uniform: Drawn evenly from [0, 1).
            asked_s: What the destination asked for; None for nothing.
        """
        delay_s = uniform * min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 64))
        return delay_s if asked_s is None else max(delay_s, min(asked_s, self.longest_asked_s))

    def gives_up(self, attempts: int, age_s: float) -> bool:
        """Tell whether an alert of this age is not tried again after so many failed attempts."""
        return attempts >= self.least_attempts and age_s >= self.give_up_after_s


def outcome_of_status(status: int) -> Outcome:
    """Return what an HTTP status means for a webhook. Redirects are not followed and count as refusals."""
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == 410:
        return Outcome.GONE
    if status in _TRY_AGAIN or status >= 500:
        return Outcome.FAILED
    return Outcome.REFUSED


def asked_delay_s(retry_after: str | None, *, now_s: float) -> float | None:
    """Return the delay that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3).

    Args:
        retry_after: The header: seconds or a date; None if there is none.
        now_s: Seconds since the epoch.

    Returns:
        Seconds, at least 0; None if nothing readable was asked.
    """
    if retry_after is None:
        return None
    if _SECONDS.fullmatch(retry_after.strip()):
        return float(retry_after)
    try:
        date = parsedate_tz(retry_after)
        return None if date is None else max(0.0, mktime_tz(date) - now_s)
    except (ValueError, OverflowError):
        return None
