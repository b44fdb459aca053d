from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ingest.sync import MAX_PLAUSIBLE_SKEW_NS, RESTART_NS, CallClock, TrackClock
from realtime.types import TrackKind

MS = 1_000_000
S = 1_000_000_000

events = st.tuples(
    st.sampled_from(["audio", "video"]),
    st.sampled_from(["packet", "packet", "packet", "report"]),
    st.integers(0, 3000),
    st.one_of(st.integers(-200, 3000), st.integers(0, 1 << 32)),
    st.integers(0, 1 << 64),
)


@settings(max_examples=200)
@given(st.integers(0, (1 << 32) - 1), st.lists(events, max_size=60))
def test_time_never_goes_backwards_nor_far_ahead_whatever_is_sent(
    origin: int, moves: list[tuple[TrackKind, str, int, int, int]]
) -> None:
    clock = CallClock()
    tracks = {"audio": TrackClock(clock_hz=48_000), "video": TrackClock(clock_hz=90_000)}
    for kind, track in tracks.items():
        clock.add_track(kind, track)
    newest: dict[TrackKind, int] = {}
    first_ns: int | None = None
    arrival_ns, rtp = 0, origin
    for kind, what, wait_ms, ticks, ntp in moves:
        arrival_ns += wait_ms * MS
        rtp = (rtp + ticks) % (1 << 32)
        if what == "report":
            tracks[kind].on_report(ntp, rtp, arrival_ns)
            continue
        tracks[kind].on_packet(rtp, arrival_ns)
        time_ns = clock.time_ns(kind, rtp)
        assert time_ns is not None
        assert time_ns >= newest.get(kind, time_ns)
        newest[kind] = time_ns
        first_ns = arrival_ns if first_ns is None else first_ns
        assert time_ns <= (arrival_ns - first_ns) * 1.01 + RESTART_NS + MAX_PLAUSIBLE_SKEW_NS + S
        assert clock.state().uncertainty_ns >= 0


@given(
    st.integers(0, (1 << 32) - 1),
    st.lists(st.integers(0, 5), min_size=20, max_size=80),
    st.sampled_from([48_000, 90_000]),
)
def test_media_time_is_the_unwrapped_timestamp_even_when_packets_swap(
    origin: int, swaps: list[int], clock_hz: int
) -> None:
    track = TrackClock(clock_hz=clock_hz)
    step = clock_hz // 50
    order = sorted(range(len(swaps)), key=lambda i: (i + swaps[i], i))
    if order[0] != 0:
        order.remove(0)
        order.insert(0, 0)
    for place, index in enumerate(order):
        track.on_packet((origin + index * step) % (1 << 32), place * 20 * MS)
    for index in range(len(swaps)):
        assert track.media_ns((origin + index * step) % (1 << 32)) == index * 20 * MS
