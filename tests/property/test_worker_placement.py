"""Placement of calls against a naive account that keeps the whole history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.workers.placement import Placement

KEEP_NS = 10
CALLS = ("a", "b", "c", "d")
PEOPLE = ("ann", "bob")


class Account:
    """Who is where, worked out anew from all that happened."""

    def __init__(self) -> None:
        self.home: dict[str, int] = {}
        self.opening: list[tuple[str, str]] = []
        self.present: set[tuple[str, str]] = set()
        self.emptied_ns: dict[str, int] = {}

    def keys(self) -> set[tuple[str, str]]:
        return self.present | set(self.opening)

    def loads(self, workers: set[int]) -> dict[int, int]:
        return {worker: sum(self.home.get(call) == worker for call, _ in self.keys()) for worker in workers}

    def expected(self, call: str, workers: set[int], now_ns: int) -> int:
        stale = not any(key[0] == call for key in self.keys()) and (
            now_ns - self.emptied_ns.get(call, now_ns) > KEEP_NS
        )
        if self.home.get(call) in workers and not stale:
            return self.home[call]
        if stale:
            self.home.pop(call, None)
        loads = self.loads(workers)
        return min(sorted(workers), key=lambda worker: loads[worker])

    def emptied(self, call: str, now_ns: int) -> None:
        if not any(key[0] == call for key in self.keys()):
            self.emptied_ns[call] = now_ns


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("place", "open", "refuse", "leave", "lose", "pass")),
        st.sampled_from(CALLS),
        st.sampled_from(PEOPLE),
        st.integers(1, 3),
        st.integers(0, 8),
    ),
    max_size=60,
)


@given(EVENTS)
def test_a_call_stays_with_its_worker_and_a_new_one_goes_to_the_least_loaded(events) -> None:
    placement, account = Placement(keep_ns=KEEP_NS), Account()
    running = {1, 2, 3}
    now_ns = 0
    for event, call, person, worker, passed in events:
        now_ns += passed
        key = (call, person)
        match event:
            case "place":
                expected = account.expected(call, running, now_ns)
                assert placement.place(call, person, running, now_ns) == expected
                account.home[call] = expected
                account.opening.append(key)
            case "open" | "refuse" if key in account.opening:
                account.opening.remove(key)
                if event == "open" and call in account.home:
                    account.present.add(key)
                    placement.joined(call, person)
                placement.opened(call, person, now_ns)
                account.emptied(call, now_ns)
            case "leave" if key in account.present:
                account.present.discard(key)
                placement.left(call, person, now_ns)
                account.emptied(call, now_ns)
            case "lose":
                gone = sorted(k for k in account.present if account.home.get(k[0]) == worker)
                assert placement.lost(worker) == gone
                account.present -= set(gone)
                account.home = {c: w for c, w in account.home.items() if w != worker}
        assert placement.participants == len(account.keys())
        assert {w: placement.load(w) for w in running} == account.loads(running)
        assert all(placement.has(*k) for k in account.present | set(account.opening))


@given(st.lists(st.sampled_from(CALLS), min_size=1, max_size=30), st.integers(1, 4))
def test_one_participant_a_call_spreads_evenly(calls, workers) -> None:
    placement = Placement(keep_ns=KEEP_NS)
    numbers = range(1, workers + 1)
    distinct = list(dict.fromkeys(calls))
    for call in distinct:
        assert placement.place(call, "ann", numbers, 0) is not None
    loads = [placement.load(number) for number in numbers]
    assert sum(loads) == len(distinct)
    assert max(loads) - min(loads) <= 1


def test_nobody_is_placed_where_no_worker_runs() -> None:
    placement = Placement(keep_ns=KEEP_NS)
    assert placement.place("a", "ann", (), 0) is None
    assert placement.participants == 0


def test_a_call_moves_when_its_worker_is_lost_and_back_home_within_the_time_it_is_kept() -> None:
    placement = Placement(keep_ns=KEEP_NS)
    assert placement.place("a", "ann", (1, 2), 0) == 1
    placement.joined("a", "ann")
    placement.opened("a", "ann", 0)
    placement.left("a", "ann", 5)
    assert placement.place("b", "bob", (1, 2), 6) == 1
    assert placement.place("a", "ann", (1, 2), 5 + KEEP_NS) == 1
    placement.lost(1)
    assert placement.worker_of("a") is None
    assert placement.place("a", "ann", (2,), 20) == 2
