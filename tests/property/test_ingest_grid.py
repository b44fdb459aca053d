from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from realtime.ingest.grid import HOLD_NS, FrameGrid, GridGap, GridPicture
from realtime.timebase import TICK_NS
from realtime.types import GapReason

MS = 1_000_000


@dataclass(frozen=True)
class Push:
    time_ns: int


@dataclass(frozen=True)
class Advance:
    time_ns: int


def naive(events: list[Push | Advance]) -> list[tuple[int, int | None, GapReason | None]]:
    """Scan all events for every tick: who decided it, and which accepted picture was the newest then."""
    accepted: set[int] = set()
    newest: int | None = None
    for index, event in enumerate(events):
        if isinstance(event, Push) and (newest is None or event.time_ns >= newest):
            accepted.add(index)
            newest = event.time_ns
    decided: list[tuple[int, int | None, GapReason | None]] = []
    tick = 0
    while True:
        time_ns = tick * TICK_NS
        for index, event in enumerate(events):
            if isinstance(event, Push) and index not in accepted:
                continue
            exactly = isinstance(event, Push) and event.time_ns == time_ns
            if event.time_ns > time_ns or exactly:
                before = [i for i in sorted(accepted) if i < index + exactly]
                candidates = [i for i in before if events[i].time_ns <= time_ns]
                if candidates and time_ns - events[candidates[-1]].time_ns <= HOLD_NS:
                    decided.append((tick, candidates[-1], None))
                elif not before:
                    decided.append((tick, None, GapReason.NO_TRACK))
                else:
                    reason = GapReason.MUTED if isinstance(event, Advance) else GapReason.LOSS
                    decided.append((tick, None, reason))
                break
        else:
            return decided
        tick += 1


def run(events: list[Push | Advance]) -> list[tuple[int, int | None, GapReason | None]]:
    grid: FrameGrid[int] = FrameGrid()
    decided: list[tuple[int, int | None, GapReason | None]] = []
    for index, event in enumerate(events):
        if isinstance(event, Push):
            items = grid.push(event.time_ns, index)
        else:
            items = grid.advance(event.time_ns, GapReason.MUTED)
        assert len(items) <= HOLD_NS // TICK_NS + 2
        for item in items:
            if isinstance(item, GridPicture):
                decided.append((item.tick, item.payload, None))
            else:
                assert isinstance(item, GridGap)
                decided += [(tick, None, item.reason) for tick in range(item.first_tick, item.end_tick)]
    assert grid.next_tick == len(decided)
    return decided


steps = st.one_of(
    st.sampled_from([20, 33, 40, 66, 100]),
    st.integers(-80, 120),
    st.sampled_from([0, 200, 240, 400, 5000, -3000]),
)


@given(st.lists(st.tuples(steps, st.booleans()), max_size=40), st.integers(-100, 300))
def test_grid_agrees_with_the_naive_one(moves: list[tuple[int, bool]], start_ms: int) -> None:
    events: list[Push | Advance] = []
    time_ms = start_ms
    for step, is_push in moves:
        time_ms += step
        events.append(Push(time_ms * MS) if is_push else Advance(time_ms * MS))
    assert run(events) == naive(events)


@given(
    st.sampled_from([50.0, 30.0, 30000 / 1001, 25.0, 15.0, 10.0]),
    st.integers(0, 40),
    st.lists(st.integers(0, 4), min_size=60, max_size=60),
)
def test_steady_sources_fill_every_tick_with_fresh_pictures(
    rate_hz: float, phase_ms: int, jitter_ms: list[int]
) -> None:
    times = [round(phase_ms * MS + i * 1e9 / rate_hz) + jitter_ms[i] * MS for i in range(60)]
    decided = run([Push(time_ns) for time_ns in sorted(times)])
    first = -(-times[0] // TICK_NS)
    assert [tick for tick, _, _ in decided] == list(range(len(decided)))
    for tick, index, _ in decided[first:]:
        assert index is not None
        age_ns = tick * TICK_NS - sorted(times)[index]
        assert 0 <= age_ns <= 1e9 / rate_hz + 8 * MS


@given(st.lists(st.integers(-50, 50), max_size=30))
def test_a_jump_of_a_year_is_one_gap(steps_ms: list[int]) -> None:
    grid: FrameGrid[int] = FrameGrid()
    time_ns = 0
    for step in steps_ms:
        time_ns = max(0, time_ns + step * MS)
        grid.push(time_ns, 0)
    year_ns = 365 * 24 * 3600 * 1_000_000_000
    items = grid.push(year_ns, 1)
    gaps = [item for item in items if isinstance(item, GridGap)]
    assert len(gaps) == 1
    assert len(items) <= HOLD_NS // TICK_NS + 2
