"""Which worker has which call: all participants of a call are watched by the same one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

Key = tuple[str, str]
"""A call and a participant."""


class Placement:
    """Places a call where the fewest participants are when its first one comes, and remembers it.

    A call that nobody is in keeps its worker for a while, because the worker keeps the state of participants
    that may come back.

    Args:
        keep_ns: How long a call without participants is remembered, in ns.
    """

    def __init__(self, *, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._workers: dict[str, int] = {}
        self._idle_since_ns: dict[str, int] = {}
        self._opening: Counter[Key] = Counter()
        self._present: set[Key] = set()

    @property
    def participants(self) -> int:
        """Participants that are there or are being let in."""
        return len(self._keys())

    def has(self, call: str, participant: str) -> bool:
        """Tell whether a participant is there or is being let in."""
        return (call, participant) in self._keys()

    def load(self, worker: int) -> int:
        """Return how many participants a worker has or is letting in."""
        return sum(self._workers.get(call) == worker for call, _ in self._keys())

    def worker_of(self, call: str) -> int | None:
        """Return the worker that has a call; None where none does."""
        return self._workers.get(call)

    def place(self, call: str, participant: str, workers: Collection[int], now_ns: int) -> int | None:
        """Return the worker for a participant that wants to come; ``opened`` must follow where there is one.

        Args:
            call: The call.
            participant: The participant.
            workers: Those that run.
            now_ns: Monotonic time.

        Returns:
            None where no worker runs.
        """
        self._forget_idle(now_ns)
        if not workers:
            return None
        if self._workers.get(call) not in workers:
            self._workers[call] = min(workers, key=lambda worker: (self.load(worker), worker))
        self._idle_since_ns.pop(call, None)
        self._opening[call, participant] += 1
        return self._workers[call]

    def opened(self, call: str, participant: str, now_ns: int) -> None:
        """Say that what ``place`` began has ended, with the participant there or not."""
        self._opening[call, participant] -= 1
        if not self._opening[call, participant]:
            del self._opening[call, participant]
        self._note_idle(call, now_ns)

    def joined(self, call: str, participant: str) -> None:
        """Say that a participant is there."""
        self._present.add((call, participant))

    def left(self, call: str, participant: str, now_ns: int) -> None:
        """Say that a participant is no longer there."""
        self._present.discard((call, participant))
        self._note_idle(call, now_ns)

    def lost(self, worker: int) -> list[Key]:
        """Forget a worker's calls, and return the participants that were in them."""
        calls = {call for call, of in self._workers.items() if of == worker}
        gone = sorted(key for key in self._present if key[0] in calls)
        self._present.difference_update(gone)
        for call in calls:
            del self._workers[call]
            self._idle_since_ns.pop(call, None)
        return gone

    def _keys(self) -> set[Key]:
        return self._present | self._opening.keys()

    def _note_idle(self, call: str, now_ns: int) -> None:
        if call in self._workers and all(key[0] != call for key in self._keys()):
            self._idle_since_ns[call] = now_ns

    def _forget_idle(self, now_ns: int) -> None:
        old = [call for call, since_ns in self._idle_since_ns.items() if now_ns - since_ns > self._keep_ns]
        for call in old:
            del self._idle_since_ns[call]
            del self._workers[call]
