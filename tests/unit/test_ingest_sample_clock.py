import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.ingest.sample_clock import DRIFT_DIVISOR, HOLE_NS, HOLE_PROOF_NS, SampleClock

MS = 1_000_000
S = 1_000_000_000
BLOCK_NS = 10 * MS


def play(clock: SampleClock, arrivals_ns: list[int]) -> list[int]:
    return [clock.place(480, rate_hz=48_000, arrival_ns=arrival_ns) for arrival_ns in arrivals_ns]


@given(jitter_ms=st.lists(st.integers(0, 50), min_size=2, max_size=200))
def test_jitter_does_not_move_the_samples(jitter_ms: list[int]) -> None:
    arrivals: list[int] = []
    for index, late_ms in enumerate(jitter_ms):
        due_ns = 5 * S + index * BLOCK_NS + late_ms * MS
        arrivals.append(max([due_ns, *arrivals[-1:]]))
    assert play(SampleClock(), arrivals) == [index * BLOCK_NS for index in range(len(arrivals))]


@pytest.mark.parametrize("ppm", [-400, 0, 400, 5000])
def test_a_clock_that_is_a_little_off_makes_no_holes(ppm: int) -> None:
    clock = SampleClock()
    step_ns = BLOCK_NS - BLOCK_NS * ppm // 1_000_000
    media = play(clock, [index * step_ns for index in range(60_000)])
    assert media[-1] == 59_999 * BLOCK_NS
    assert clock.holes == 0


def test_a_busy_host_makes_no_hole() -> None:
    clock = SampleClock()
    arrivals = [index * BLOCK_NS for index in range(100)]
    arrivals += [2 * S] * 100
    arrivals += [index * BLOCK_NS for index in range(200, 300)]
    assert play(clock, arrivals)[-1] == 299 * BLOCK_NS
    assert clock.holes == 0


@pytest.mark.parametrize("hole_ms", [70, 500, 5000])
def test_a_piece_that_never_comes_is_found(hole_ms: int) -> None:
    clock = SampleClock()
    arrivals = [index * BLOCK_NS for index in range(100)]
    arrivals += [S + hole_ms * MS + index * BLOCK_NS for index in range(100)]
    media = play(clock, arrivals)
    assert clock.holes == 1
    found = [index for index in range(1, 200) if media[index] - media[index - 1] > BLOCK_NS]
    assert found == [100 + HOLE_PROOF_NS // BLOCK_NS]
    assert media[-1] == pytest.approx(arrivals[-1], abs=2 * S / DRIFT_DIVISOR)


def test_a_small_delay_that_stays_is_no_hole() -> None:
    clock = SampleClock()
    arrivals = [index * BLOCK_NS for index in range(100)]
    arrivals += [index * BLOCK_NS + HOLE_NS for index in range(100, 200)]
    play(clock, arrivals)
    assert clock.holes == 0


@pytest.mark.parametrize("pause_ms", [50, 3000, 3_600_000])
def test_after_an_interruption_the_arrival_counts_at_once(pause_ms: int) -> None:
    clock = SampleClock()
    play(clock, [index * BLOCK_NS for index in range(100)])
    clock.resume()
    after = play(clock, [S + pause_ms * MS, S + pause_ms * MS + BLOCK_NS])
    assert after[0] == pytest.approx(S + pause_ms * MS, abs=MS)
    assert after[1] - after[0] == BLOCK_NS
    assert clock.holes == 0


def test_samples_that_are_left_out_still_take_their_time() -> None:
    clock = SampleClock()
    play(clock, [0, BLOCK_NS])
    clock.count(480, rate_hz=48_000)
    assert play(clock, [3 * BLOCK_NS]) == [3 * BLOCK_NS]


@given(
    blocks=st.lists(st.integers(1, 2000), min_size=1, max_size=50), rate_hz=st.sampled_from([11_025, 44_100])
)
def test_rounding_does_not_add_up(blocks: list[int], rate_hz: int) -> None:
    clock = SampleClock()
    for samples in blocks:
        clock.count(samples, rate_hz=rate_hz)
    clock.resume()
    assert clock.place(1, rate_hz=rate_hz, arrival_ns=0) == sum(blocks) * S // rate_hz
