import asyncio

import numpy as np
import pytest

from realtime.ingest.concealment import PlayoutCounters
from realtime.ingest.decoded import UNCERTAINTY_NS, DecodedSource
from realtime.ingest.live import FIRST_FRAME_MARGIN_NS, LATE_MARGIN_NS
from realtime.ingest.reception import TrackReception
from realtime.ingest.sink import EndReason, TrackState
from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import GapReason, TrackKind
from tests.support.media_recorder import MediaRecorder

MS = 1_000_000
S = 1_000_000_000
START_NS = 1000 * S
BLOCK_NS = 10 * MS
PICTURE_NS = 40 * MS
ASK_NS = 200 * MS
BOTH: tuple[TrackKind, ...] = ("audio", "video")


class Stack:
    """Another WebRTC stack in virtual time; a flash and a beep begin at every whole second at the sender.

    Attributes:
        behind_ns: How far behind the sender's clock either track is played.
        sends: The tracks that deliver.
        conceals: Made-up sound is delivered instead of received sound.
    """

    def __init__(self, *, conceals_loss: bool = False, audio_delay_ns: int = 0) -> None:
        self.now_ns = START_NS
        self.sink = MediaRecorder()
        self.source = DecodedSource(
            self.sink,
            clock_ns=lambda: self.now_ns,
            audio_delay_ns=audio_delay_ns,
            conceals_loss=conceals_loss,
        )
        self.behind_ns: dict[TrackKind, int] = {"audio": 50 * MS, "video": 50 * MS}
        self.sends: set[TrackKind] = set(BOTH)
        self.conceals = False
        self.answers = True
        self.knows_sender_time = False
        self.samples = self.concealed = self.packets = 0

    def play(self, duration_ms: int) -> None:
        for _ in range(duration_ms // 10):
            passed_ns = self.now_ns - START_NS
            if "audio" in self.sends:
                self._block(passed_ns)
            if "video" in self.sends and passed_ns % PICTURE_NS == 0:
                self._picture(passed_ns)
            self.now_ns += BLOCK_NS
            if passed_ns % ASK_NS == 0:
                self._ask()
            if passed_ns % (100 * MS) == 0:
                self.source.check(self.now_ns)

    def _block(self, passed_ns: int) -> None:
        time_s = (passed_ns - self.behind_ns["audio"]) / S + np.arange(480) / 48_000
        beep = np.where(time_s % 1 < 0.12, 0.6 * np.cos(2 * np.pi * 1000 * time_s), 0.0)
        pcm = (np.zeros(480) if self.conceals else beep * 32767).astype(np.int16)
        self.source.push_audio(pcm.reshape(-1, 1), rate_hz=48_000, arrival_ns=self.now_ns)
        self.samples += 480
        self.concealed += 480 if self.conceals else 0
        self.packets += 0 if self.conceals else 1

    def _picture(self, passed_ns: int) -> None:
        bright = (passed_ns - self.behind_ns["video"]) / S % 1 < 0.12
        data = np.full(8 * 6 * 3 // 2, 128, np.uint8)
        data[: 8 * 6] = 235 if bright else 30
        self.source.push_picture(
            data, width=8, height=6, arrival_ns=self.now_ns, timestamp_ns=77 * S + passed_ns
        )

    def _ask(self) -> None:
        if self.answers:
            counters = PlayoutCounters(samples=self.samples, concealed=self.concealed, packets=self.packets)
            self.source.judge_audio(counters, asked_ns=self.now_ns)
        if self.knows_sender_time:
            for kind in BOTH:
                sender_ns = 1_700_000_000 * S + self.now_ns - self.behind_ns[kind]
                self.source.note_sender_time(kind, sender_ns=sender_ns, at_ns=self.now_ns)


@pytest.mark.parametrize("conceals_loss", [False, True])
def test_a_healthy_call_has_no_gaps_and_stays_in_step(conceals_loss: bool) -> None:
    stack = Stack(conceals_loss=conceals_loss)
    stack.play(5000)
    assert stack.sink.gaps == []
    assert stack.sink.covered["audio"] == pytest.approx(5 * S, abs=250 * MS)
    assert stack.sink.covered["video"] == 5 * S
    assert len(stack.sink.errors_ms()) >= 4
    assert all(abs(error) <= 40 for error in stack.sink.errors_ms())
    assert stack.sink.audio[20].arrival_ns is not None
    assert sorted(stack.sink.states) == [("audio", TrackState.LIVE), ("video", TrackState.LIVE)]
    reception = stack.source.reception()
    assert reception.sync == "arrival"
    assert reception.uncertainty_ms == pytest.approx(UNCERTAINTY_NS["arrival"] / MS, abs=10)


def test_the_tracks_may_come_one_after_the_other() -> None:
    stack = Stack()
    stack.sends = {"video"}
    stack.play(3000)
    assert stack.source.reception().sync == "single"
    assert stack.source.reception().audio is None
    assert stack.sink.covered["audio"] == pytest.approx(3 * S - FIRST_FRAME_MARGIN_NS, abs=150 * MS)
    assert {gap.reason for gap in stack.sink.gaps} == {GapReason.NO_TRACK}
    stack.sends = {"audio", "video"}
    stack.play(3000)
    assert {gap.reason for gap in stack.sink.gaps} == {GapReason.NO_TRACK}
    assert stack.sink.covered["audio"] == pytest.approx(6 * S, abs=50 * MS)
    assert [error for error in stack.sink.errors_ms() if abs(error) <= 40] != []


@pytest.mark.parametrize("kind", BOTH)
def test_a_muted_track_is_a_gap_that_says_so(kind: TrackKind) -> None:
    stack = Stack(conceals_loss=True)
    stack.play(2000)
    stack.source.set_muted(kind, True)
    stack.conceals = kind == "audio"
    stack.play(3000)
    assert {gap.reason for gap in stack.sink.gaps} == {GapReason.MUTED}
    stack.source.set_muted(kind, False)
    stack.conceals = False
    stack.play(3000)
    assert stack.sink.gap_ms(kind, GapReason.MUTED) == pytest.approx(2800, abs=400)
    assert stack.sink.gap_ms(kind, GapReason.LOSS) <= 400
    states = [state for track, state in stack.sink.states if track == kind]
    assert states == [TrackState.LIVE, TrackState.GAP, TrackState.LIVE]
    assert abs(stack.sink.errors_ms()[-1]) <= 40


def test_made_up_sound_is_a_loss_and_not_silence() -> None:
    stack = Stack(conceals_loss=True)
    stack.play(2000)
    stack.conceals = True
    stack.play(3000)
    stack.conceals = False
    stack.play(3000)
    lost_ms = stack.sink.gap_ms("audio", GapReason.LOSS)
    assert lost_ms == pytest.approx(3000, abs=250)
    assert stack.sink.covered["audio"] == pytest.approx(8 * S, abs=LATE_MARGIN_NS)
    audio = stack.source.reception().audio
    assert audio is not None
    assert audio.missing_ms == pytest.approx(lost_ms)
    assert abs(stack.sink.errors_ms()[-1]) <= 40


def test_sound_that_nobody_vouches_for_is_not_passed_on() -> None:
    stack = Stack(conceals_loss=True)
    stack.answers = False
    stack.play(4000)
    assert stack.sink.audio == []
    assert stack.sink.covered["audio"] > 2 * S


def test_a_piece_of_sound_that_was_dropped_on_the_way_is_a_loss() -> None:
    stack = Stack()
    stack.play(2000)
    stack.sends = {"video"}
    stack.play(300)
    stack.sends = {"audio", "video"}
    stack.play(3000)
    assert stack.sink.gap_ms("audio", GapReason.LOSS) == pytest.approx(300, abs=25)
    assert abs(stack.sink.errors_ms()[-1]) <= 40


@pytest.mark.parametrize("lag_ms", [-400, 400])
def test_the_senders_clock_corrects_what_the_other_stack_plays_apart(lag_ms: int) -> None:
    stack = Stack()
    stack.behind_ns = {"audio": (500 + lag_ms) * MS, "video": 500 * MS}
    stack.play(3000)
    assert stack.sink.errors_ms()[-1] == pytest.approx(lag_ms, abs=41)
    stack.knows_sender_time = True
    stack.play(9000)
    assert abs(stack.sink.errors_ms()[-1]) <= 41
    reception = stack.source.reception()
    assert reception.sync == "reports"
    assert reception.skew_ms == pytest.approx(lag_ms)
    assert reception.uncertainty_ms == pytest.approx(UNCERTAINTY_NS["reports"] / MS, abs=25)


def test_a_known_delay_of_the_sound_is_taken_off() -> None:
    stack = Stack(audio_delay_ns=120 * MS)
    stack.behind_ns = {"audio": 170 * MS, "video": 50 * MS}
    stack.play(4000)
    assert len(stack.sink.errors_ms()) == 4
    assert all(abs(error) <= 41 for error in stack.sink.errors_ms()[1:])


def test_pictures_without_timestamps_go_by_their_arrival() -> None:
    stack = Stack()
    data = np.full(8 * 6 * 3 // 2, 128, np.uint8)
    for _ in range(50):
        stack.source.push_picture(data, width=8, height=6, arrival_ns=stack.now_ns)
        stack.now_ns += PICTURE_NS
    assert [picture.tick for picture in stack.sink.pictures] == list(range(50))
    assert stack.sink.pictures[7].arrival_ns == START_NS + 7 * PICTURE_NS


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_sound_may_be_mono_or_stereo_whole_or_real(channels: int, dtype: type) -> None:
    stack = Stack()
    level = 8192 if dtype is np.int16 else 0.25
    for _ in range(100):
        block = np.full((441, channels), level, dtype)
        stack.source.push_audio(block, rate_hz=44_100, arrival_ns=stack.now_ns)
        stack.now_ns += BLOCK_NS
    samples = np.concatenate([frame.samples for frame in stack.sink.audio])
    assert len(samples) == pytest.approx(SAMPLE_RATE_HZ, abs=200)
    assert np.median(samples) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    "samples", [np.zeros(480, np.int16), np.zeros((480, 3), np.int16), np.zeros((480, 1), np.float64)]
)
def test_sound_of_another_shape_or_type_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="sound of shape"):
        Stack().source.push_audio(samples, rate_hz=48_000, arrival_ns=0)


def test_the_other_stacks_counters_are_kept_beside_what_is_counted_here() -> None:
    stack = Stack()
    stack.play(1000)
    stack.source.note("video", TrackReception(packets=7, lost=3, frames=999, missing_ms=999))
    video = stack.source.reception().video
    assert video is not None
    assert (video.packets, video.lost, video.frames, video.missing_ms) == (7, 3, 25, 0)


def test_an_ended_source_takes_nothing_more_and_says_so_once() -> None:
    stack = Stack(conceals_loss=True)
    stack.play(1000)
    stack.source.end(EndReason.PEER_LEFT)
    stack.play(1000)
    stack.source.end(EndReason.CLOSED)
    assert stack.source.ended
    assert stack.sink.ends == [EndReason.PEER_LEFT]
    assert sorted(stack.sink.states)[0] == ("audio", TrackState.ENDED)


async def test_a_started_source_covers_silence_by_itself_and_stops_when_closed() -> None:
    sink = MediaRecorder()
    loop = asyncio.get_running_loop()

    def clock() -> int:
        return int(loop.time() * 1e9)

    source = DecodedSource(sink, clock_ns=clock)
    source.start()
    source.set_muted("audio", True)
    data = np.full(8 * 6 * 3 // 2, 128, np.uint8)
    source.push_picture(data, width=8, height=6, arrival_ns=clock() - 3 * S)
    source.push_picture(data, width=8, height=6, arrival_ns=clock())
    await sink.until(lambda: any(gap.track == "audio" for gap in sink.gaps))
    await source.close()
    await source.close()
    assert sink.ends == [EndReason.CLOSED]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_failure_while_watching_ends_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = MediaRecorder()
    source = DecodedSource(sink, clock_ns=lambda: 0)

    def fail(now_ns: int) -> None:
        raise RuntimeError(now_ns)

    monkeypatch.setattr(source, "check", fail)
    source.start()
    await sink.until(lambda: bool(sink.ends))
    assert sink.ends == [EndReason.INTERNAL_ERROR]
    await source.close()
