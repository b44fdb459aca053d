import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.ingest.concealment import (
    MAX_CONCEALED_SHARE,
    MAX_PACKET_SILENCE_NS,
    MAX_WAIT_NS,
    ConcealmentGate,
    Judged,
    PlayoutCounters,
)

MS = 1_000_000
S = 1_000_000_000


class Decoder:
    """Fills a gate with blocks of 10 ms and asks it every 200 ms, in virtual time."""

    def __init__(self) -> None:
        self.gate: ConcealmentGate[int] = ConcealmentGate()
        self.now_ns = 0
        self.samples = self.concealed = self.packets = 0

    def play(self, duration_ms: int, *, concealed: float = 0.0, packets: int = 10) -> list[Judged[int]]:
        judged: list[Judged[int]] = []
        for _ in range(duration_ms // 200):
            for _ in range(20):
                self.now_ns += 10 * MS
                self.gate.push(self.now_ns, self.now_ns)
            self.samples += 9600
            self.concealed += round(9600 * concealed)
            self.packets += packets
            judged += self.gate.judge(self.counters(), self.now_ns)
        return judged

    def counters(self) -> PlayoutCounters:
        return PlayoutCounters(samples=self.samples, concealed=self.concealed, packets=self.packets)


def genuine(judged: list[Judged[int]]) -> set[bool]:
    return {one.genuine for one in judged}


def test_received_sound_passes_and_made_up_sound_does_not() -> None:
    decoder = Decoder()
    assert genuine(decoder.play(1000)) == {True}
    assert genuine(decoder.play(1000, concealed=1.0, packets=0)) == {False}
    assert genuine(decoder.play(1000)) == {True}


@pytest.mark.parametrize(
    ("share", "passes"), [(MAX_CONCEALED_SHARE, True), (MAX_CONCEALED_SHARE + 0.01, False), (0.05, True)]
)
def test_a_little_concealment_passes(share: float, passes: bool) -> None:
    assert genuine(Decoder().play(1000, concealed=share)) == {passes}


def test_the_codecs_own_silence_passes_but_not_without_any_packet() -> None:
    decoder = Decoder()
    decoder.play(1000)
    for _ in range(10):
        assert genuine(decoder.play(200, packets=0) + decoder.play(200, packets=1)) == {True}
    silence = decoder.play(3000, packets=0)
    passed_ns = [one.block for one in silence if one.genuine]
    assert max(passed_ns) - min(passed_ns) < MAX_PACKET_SILENCE_NS
    assert len(silence) - len(passed_ns) == 200


def test_what_arrived_after_the_question_waits() -> None:
    gate: ConcealmentGate[str] = ConcealmentGate()
    gate.push("early", 10 * MS)
    gate.push("late", 30 * MS)
    counters = PlayoutCounters(samples=480, packets=1)
    assert [one.block for one in gate.judge(counters, 20 * MS)] == ["early"]
    assert [one.block for one in gate.judge(counters, 30 * MS)] == ["late"]


def test_sound_without_an_answer_is_given_up() -> None:
    gate: ConcealmentGate[str] = ConcealmentGate()
    gate.push("block", 0)
    assert gate.overdue(MAX_WAIT_NS) == []
    assert gate.overdue(MAX_WAIT_NS + 1) == [Judged(block="block", genuine=False)]
    assert gate.judge(PlayoutCounters(), 2 * S) == []


def test_a_decoder_that_starts_over_is_believed_afresh() -> None:
    decoder = Decoder()
    decoder.play(1000, concealed=1.0)
    decoder.samples = decoder.concealed = decoder.packets = 0
    assert genuine(decoder.play(1000)) == {True}


def test_what_was_cleared_does_not_come_back() -> None:
    gate: ConcealmentGate[str] = ConcealmentGate()
    gate.push("before the mute", 0)
    gate.clear()
    assert gate.judge(PlayoutCounters(samples=480, packets=1), S) == []


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["push", "judge", "overdue"]), st.integers(0, 2000), st.integers(0, 9600)),
        max_size=60,
    )
)
def test_every_block_comes_out_once_in_order_and_none_waits_for_ever(
    steps: list[tuple[str, int, int]],
) -> None:
    gate: ConcealmentGate[int] = ConcealmentGate()
    now_ns = pushed = samples = concealed = 0
    out: list[int] = []
    for step, passed_ms, made_up in steps:
        now_ns += passed_ms * MS
        if step == "push":
            gate.push(pushed, now_ns)
            pushed += 1
        elif step == "judge":
            samples, concealed = samples + 9600, concealed + made_up
            counters = PlayoutCounters(samples=samples, concealed=concealed, packets=samples)
            judged = gate.judge(counters, now_ns)
            assert genuine(judged) <= {made_up <= MAX_CONCEALED_SHARE * 9600}
            out += [one.block for one in judged]
        else:
            out += [one.block for one in gate.overdue(now_ns)]
    out += [one.block for one in gate.overdue(now_ns + MAX_WAIT_NS + 1)]
    assert out == list(range(pushed))
