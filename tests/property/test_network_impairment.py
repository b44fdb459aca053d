"""The seeded decisions of the lossy link."""

from itertools import groupby
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.network.impairment import Fate, ImpairedDirection, Impairment

MS = 1_000_000
S = 1_000_000_000

impairments = st.builds(
    Impairment,
    loss=st.floats(0, 0.5),
    burst_packets=st.none() | st.floats(2, 8),
    delay_ns=st.integers(0, 100 * MS),
    jitter_ns=st.integers(0, 50 * MS),
    reorder=st.booleans(),
    duplicate=st.floats(0, 0.5),
    outage_ns=st.none() | st.tuples(st.integers(0, S), st.integers(S, 2 * S)),
    rate_bps=st.none() | st.integers(100_000, 10_000_000),
    queue_bytes=st.integers(2_000, 20_000),
    spared_ns=st.integers(0, S),
)
sends = st.lists(st.tuples(st.integers(0, 30 * MS), st.integers(20, 1_500)), min_size=1, max_size=120)


def run(
    impairment: Impairment, steps: list[tuple[int, int]], seed: int
) -> tuple[ImpairedDirection, list[Fate], list[tuple[int, int]], list[int]]:
    """Send packets that are numbered in their first bytes; returns fates, deliveries and times of sending."""
    direction = ImpairedDirection(impairment, seed=seed)
    fates, sent, now_ns = [], [], 5 * S
    for number, (gap_ns, size) in enumerate(steps):
        now_ns += gap_ns
        sent.append(now_ns)
        fates.append(direction.admit(number.to_bytes(4) + bytes(size - 4), now_ns))
    delivered = [(due_ns, int.from_bytes(packet[:4])) for due_ns, packet in direction.due(10**12)]
    return direction, fates, delivered, sent


@given(impairments, sends, st.integers(0, 99))
def test_every_packet_has_one_fate_and_what_is_sent_arrives(
    impairment: Impairment, steps: list[tuple[int, int]], seed: int
) -> None:
    direction, fates, delivered, sent = run(impairment, steps, seed)
    assert sum(direction.counts.values()) - direction.counts[Fate.DUPLICATED] == len(steps)
    arrived = {number for _, number in delivered}
    assert arrived == {number for number, fate in enumerate(fates) if fate is Fate.SENT}
    assert len(delivered) == len(arrived) + direction.counts[Fate.DUPLICATED]
    assert all(due_ns >= sent[number] + impairment.delay_ns for due_ns, number in delivered)
    assert direction.next_due_ns is None
    assert [due_ns for due_ns, _ in delivered] == sorted(due_ns for due_ns, _ in delivered)


@given(impairments, sends, st.integers(0, 99))
def test_nothing_overtakes_unless_it_may(
    impairment: Impairment, steps: list[tuple[int, int]], seed: int
) -> None:
    _, _, delivered, _ = run(impairment, steps, seed)
    numbers = [number for _, number in delivered]
    if not impairment.reorder:
        assert numbers == sorted(numbers)


@given(sends, st.integers(0, 99), st.floats(0, 0.5), st.none() | st.floats(2, 8))
def test_loss_depends_on_the_seed_and_the_packets_number_alone(
    steps: list[tuple[int, int]], seed: int, loss: float, burst: float | None
) -> None:
    plain = Impairment(loss=loss, burst_packets=burst)
    slow = Impairment(
        loss=loss, burst_packets=burst, delay_ns=9 * MS, jitter_ns=30 * MS, reorder=True, duplicate=0.3
    )
    other_times = [(3 * gap_ns + 1, 1_500 - size // 2) for gap_ns, size in steps]
    assert run(plain, steps, seed)[1] == run(slow, other_times, seed)[1]


@given(impairments, sends, st.integers(0, 99))
def test_the_same_seed_gives_the_same_link(
    impairment: Impairment, steps: list[tuple[int, int]], seed: int
) -> None:
    assert run(impairment, steps, seed)[1:] == run(impairment, steps, seed)[1:]


@given(sends, st.integers(0, 99), st.integers(0, S), st.integers(0, S))
def test_an_outage_takes_everything_and_nothing_else(
    steps: list[tuple[int, int]], seed: int, start_ns: int, length_ns: int
) -> None:
    outage = (start_ns, start_ns + length_ns)
    _, fates, _, sent = run(Impairment(outage_ns=outage), steps, seed)
    inside = [outage[0] <= time_ns - sent[0] < outage[1] for time_ns in sent]
    assert [fate is Fate.OUTAGE for fate in fates] == inside


@given(sends, st.integers(100_000, 3_000_000), st.integers(1_500, 10_000))
def test_a_narrow_link_is_a_queue_with_a_bound(
    steps: list[tuple[int, int]], rate_bps: int, queue_bytes: int
) -> None:
    _, fates, delivered, sent = run(Impairment(rate_bps=rate_bps, queue_bytes=queue_bytes), steps, 0)
    free_ns, expected, kept = 0, [], []
    for number, (_, size) in enumerate(steps):
        start_ns = max(sent[number], free_ns)
        waiting_bytes = (start_ns - sent[number]) * rate_bps // (8 * S)
        if waiting_bytes + size > queue_bytes:
            expected.append(Fate.QUEUE_FULL)
            continue
        free_ns = start_ns + size * 8 * S // rate_bps
        expected.append(Fate.SENT)
        kept.append((free_ns, number))
    assert fates == expected
    assert delivered == kept
    carried_bits = sum(steps[number][1] for _, number in delivered) * 8
    assert carried_bits * S <= (free_ns - sent[0]) * rate_bps + len(steps) * 8 * S


@given(sends, st.integers(0, 99), st.integers(0, S))
def test_the_first_packets_are_spared(steps: list[tuple[int, int]], seed: int, spared_ns: int) -> None:
    impairment = Impairment(loss=0.99, duplicate=0.9, jitter_ns=50 * MS, spared_ns=spared_ns)
    _, fates, delivered, sent = run(impairment, steps, seed)
    early = [number for number, time_ns in enumerate(sent) if time_ns - sent[0] < spared_ns]
    assert all(fates[number] is Fate.SENT for number in early)
    assert [(due_ns, number) for due_ns, number in delivered if number in early] == [
        (sent[number], number) for number in early
    ]


@pytest.mark.parametrize(("loss", "burst"), [(0.02, None), (0.10, None), (0.02, 4.0), (0.10, 8.0)])
def test_loss_comes_as_often_and_in_runs_as_long_as_asked(loss: float, burst: float | None) -> None:
    direction = ImpairedDirection(Impairment(loss=loss, burst_packets=burst), seed=7)
    lost = [direction.admit(b"", 0) is Fate.LOST for _ in range(60_000)]
    runs = [len(list(group)) for is_lost, group in groupby(lost) if is_lost]
    assert mean(lost) == pytest.approx(loss, rel=0.15)
    assert mean(runs) == pytest.approx(1 / (1 - loss) if burst is None else burst, rel=0.1)


def test_what_travels_as_json_comes_back() -> None:
    impairment = Impairment(loss=0.1, outage_ns=(1, 2), rate_bps=5, burst_packets=3.0)
    assert Impairment.from_json(impairment.to_json()) == impairment


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.0}, {"burst_packets": 0.5}, {"loss": 0.9, "burst_packets": 2.0}, {"rate_bps": 0}]
)
def test_impossible_networks_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Impairment(**wrong)
