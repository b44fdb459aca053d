"""The meter measures: known wrongs go in, and their sizes come out."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.network.calibration import (
    CELL_PX,
    COLUMNS,
    FRAME_RATE_HZ,
    ROWS,
    Calibration,
    cells,
    read_picture,
    sound,
    write_calibration,
)
from bench.network.judgement import SETTLE_S, TAIL_S, Figures, judge
from bench.network.meter import Meter, Record
from realtime.ingest.file import read_media
from realtime.ingest.sink import MediaItem, PendingPicture
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, TICK_NS
from realtime.types import AudioFrame

SECONDS = 10
SPAN_S = SECONDS - SETTLE_S - TAIL_S
RESOLUTION_MS = 1.7


def drawn(number: int) -> np.ndarray:
    levels = np.where(cells(number), 170, 70).astype(np.uint8)
    return np.repeat(np.repeat(levels, CELL_PX, axis=0), CELL_PX, axis=1)


def image_of(number: int) -> np.ndarray:
    return np.repeat(drawn(number)[..., None], 3, axis=2)


def perfect(*, sound_late_ms: int = 0) -> Iterator[MediaItem]:
    """Yield the clip as a perfect receiver would: the picture of every tick, and the sound."""
    wave = np.roll(sound(SECONDS), sound_late_ms * SAMPLE_RATE_HZ // 1000)
    shown, image = -1, np.empty(0)
    for tick in range(SECONDS * 25):
        first = tick * 640
        yield AudioFrame(
            start_ns=tick * TICK_NS, samples=wave[first : first + 640], arrival_ns=tick * TICK_NS
        )
        number = tick * TICK_NS * FRAME_RATE_HZ // NS_PER_S
        if number != shown:
            shown, image = number, image_of(number)
        yield PendingPicture(tick=tick, arrival_ns=tick * TICK_NS, convert=lambda image=image: image)


def measured(items: Iterator[MediaItem], handed_on_late_ns: int = 0) -> Record:
    now_ns = 0
    meter = Meter(clock_ns=lambda: now_ns + handed_on_late_ns)
    for item in items:
        if isinstance(item, AudioFrame):
            now_ns = item.start_ns
            meter.on_audio(item)
        elif isinstance(item, PendingPicture):
            now_ns = item.tick * TICK_NS
            meter.on_picture(item)
    return meter.record()


def judged(items: Iterator[MediaItem]) -> Figures:
    return judge(measured(items), Calibration(seconds=SECONDS), {})


def without(keep: Callable[[MediaItem], bool]) -> Iterator[MediaItem]:
    return (item for item in perfect() if keep(item))


@given(st.integers(0, (1 << 24) - 1))
def test_a_picture_says_its_number(number: int) -> None:
    reading = read_picture(drawn(number))
    assert (reading.number, reading.wrong_cells) == (number, 0)


@given(st.integers(0, 10_000), st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1))
def test_one_damaged_cell_shows(number: int, row: int, column: int) -> None:
    picture = drawn(number)
    cell = picture[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX]
    cell[:] = 240 - cell
    reading = read_picture(picture)
    assert reading.number is None or reading.wrong_cells > 0


@given(st.integers(100, 10_000), st.integers(1, 20))
def test_a_stale_part_of_a_picture_shows(number: int, age: int) -> None:
    picture = drawn(number)
    picture[: 13 * CELL_PX] = drawn(number - age)[: 13 * CELL_PX]
    assert read_picture(picture).wrong_cells > 0


def test_a_picture_of_another_size_is_not_legible() -> None:
    assert read_picture(drawn(1)[:240]).number is None


def test_a_perfect_receiver_is_found_perfect() -> None:
    figures = judged(perfect())
    assert figures.alignment == pytest.approx(0, abs=RESOLUTION_MS)
    assert figures.alignment_error_p95 == pytest.approx(0, abs=RESOLUTION_MS)
    assert figures.video.gap <= 80
    assert figures.video.corrupt == 0
    assert (figures.video.missing, figures.audio.missing, figures.audio.wrong) == (0, 0, 0)


@pytest.mark.parametrize("late_ms", [-300, -40, 15, 80])
def test_sound_that_is_off_is_found_off_by_as_much(late_ms: int) -> None:
    figures = judged(perfect(sound_late_ms=late_ms))
    assert figures.alignment == pytest.approx(late_ms, abs=RESOLUTION_MS)
    assert figures.alignment_error_p95 == pytest.approx(abs(late_ms), abs=RESOLUTION_MS)


def test_errors_before_sender_reports_and_with_them_are_told_apart() -> None:
    def slewed() -> Iterator[MediaItem]:
        """Yield sound that is 30 ms late until six seconds have passed."""
        for late, exact in zip(perfect(sound_late_ms=30), perfect(), strict=True):
            yield late if isinstance(late, AudioFrame) and late.start_ns < 6 * NS_PER_S else exact

    now_s = 0.0
    meter = Meter(clock_ns=lambda: round(now_s * NS_PER_S), knows_reports=lambda: now_s >= 6)
    for item in slewed():
        if isinstance(item, AudioFrame):
            now_s = item.start_ns / NS_PER_S
            meter.on_audio(item)
        elif isinstance(item, PendingPicture):
            meter.on_picture(item)
    figures = judge(meter.record(), Calibration(seconds=SECONDS), {})
    assert figures.alignment_error_before_reports == pytest.approx(30, abs=RESOLUTION_MS)
    assert figures.alignment_error_with_reports_p95 == pytest.approx(0, abs=RESOLUTION_MS)
    assert figures.alignment_error_p95 == pytest.approx(30, abs=RESOLUTION_MS)


def test_few_pictures_do_not_make_an_error() -> None:
    """Of four pictures in five nothing is left: the rest bounds their place less well, and is helped."""
    figures = judged(without(lambda item: not (isinstance(item, PendingPicture) and item.tick // 5 % 5 > 0)))
    assert figures.alignment_error_p95 is None or figures.alignment_error_p95 <= 2 + RESOLUTION_MS
    assert figures.video.missing > 0.7


def test_a_receiver_that_says_nothing_of_reports_has_no_error_with_them() -> None:
    figures = judged(perfect(sound_late_ms=30))
    assert figures.alignment_error_before_reports is None
    assert figures.alignment_error_with_reports_p95 is None


def test_media_that_is_lost_makes_the_rest_dearer() -> None:
    meter = Meter(clock_ns=lambda: 0)
    for item in without(lambda item: not isinstance(item, AudioFrame)):
        if isinstance(item, PendingPicture):
            meter.on_picture(item)
    record = replace(meter.record(), cpu_ns=NS_PER_S, seconds=10.0)
    figures = judge(record, Calibration(seconds=SECONDS), {})
    assert figures.cores == 0.1
    assert figures.cores_per_delivered == pytest.approx(0.2, abs=0.01)


def test_a_wrong_offset_in_an_encoded_clip_is_found(tmp_path: Path) -> None:
    clip = Calibration(seconds=8, sound_late_ms=60)
    with read_media(write_calibration(tmp_path / "clip.mov", clip)) as media:
        figures = judge(measured(iter(media)), clip, {})
    assert figures.alignment == pytest.approx(60, abs=RESOLUTION_MS)
    assert figures.video.corrupt == 0
    assert figures.audio.wrong == 0


def test_missing_pictures_are_a_gap_of_their_length() -> None:
    figures = judged(without(lambda item: not (isinstance(item, PendingPicture) and 125 <= item.tick < 150)))
    assert figures.video.gap == pytest.approx(1_000, abs=80)
    assert figures.video.freeze == figures.video.gap
    assert figures.video.missing == pytest.approx(1 / SPAN_S, abs=0.03)


def test_pictures_that_end_early_are_a_gap() -> None:
    figures = judged(without(lambda item: not (isinstance(item, PendingPicture) and item.tick >= 150)))
    assert figures.video.gap == pytest.approx((SECONDS - TAIL_S - 6) * 1000, abs=80)


def test_missing_sound_is_counted_and_does_not_move_the_rest() -> None:
    figures = judged(
        without(lambda item: not (isinstance(item, AudioFrame) and item.start_ns // TICK_NS % 10 == 0))
    )
    assert figures.audio.missing == pytest.approx(0.1, abs=0.01)
    assert figures.alignment == pytest.approx(0, abs=RESOLUTION_MS)
    assert figures.audio.wrong == 0


def test_sound_of_another_moment_is_wrong() -> None:
    def doctored() -> Iterator[MediaItem]:
        kept: dict[int, AudioFrame] = {}
        for item in perfect():
            if isinstance(item, AudioFrame):
                tick = item.start_ns // TICK_NS
                kept[tick] = item
                earlier = kept.get(tick - 1)
                yield item if tick % 10 or earlier is None else replace(item, samples=earlier.samples)
            else:
                yield item

    figures = judged(doctored())
    assert figures.audio.missing == 0
    assert figures.audio.wrong == pytest.approx(0.1, abs=0.02)


def test_damaged_pictures_are_counted_and_do_not_end_a_gap() -> None:
    def doctored() -> Iterator[MediaItem]:
        for item in perfect():
            if isinstance(item, PendingPicture) and 125 <= item.tick < 150:
                image = item.convert().copy()
                image[:CELL_PX] = 255 - image[:CELL_PX]
                yield replace(item, convert=lambda image=image: image)
            else:
                yield item

    figures = judged(doctored())
    assert figures.video.corrupt == 25
    assert figures.video.gap == pytest.approx(1_000, abs=80)


def test_delay_counts_from_the_moment_at_which_a_picture_was_sent() -> None:
    record = measured(perfect(), handed_on_late_ns=70_000_000)
    grid = list(range(0, SECONDS * NS_PER_S, 10_000_000))
    lost = [int(time_ns % 100_000_000 == 0) for time_ns in grid]
    curve = [grid, [time_ns - 30_000_000 for time_ns in grid], lost]
    figures = judge(record, Calibration(seconds=SECONDS), {"audio": curve, "video": curve})
    assert figures.audio.delay == pytest.approx(100, abs=RESOLUTION_MS)
    assert figures.audio.hold == pytest.approx(70)
    assert figures.audio.lost_by_link == pytest.approx(0.1, abs=0.01)
    assert figures.video.hold == pytest.approx(70)
    assert 100 <= (figures.video.delay or 0) <= 140


def test_nothing_received_is_everything_missing() -> None:
    figures = judged(iter(()))
    assert (figures.video.missing, figures.audio.missing) == (1, 1)
    assert figures.video.gap == pytest.approx(SPAN_S * 1000)
    assert figures.alignment is None


def test_a_record_survives_a_file(tmp_path: Path) -> None:
    record = measured(perfect())
    record.save(tmp_path / "record.npz")
    loaded = Record.load(tmp_path / "record.npz")
    assert np.array_equal(loaded.pictures, record.pictures)
    assert np.array_equal(loaded.blocks, record.blocks)
    assert np.array_equal(loaded.samples, record.samples)
    assert (loaded.cpu_ns, loaded.seconds) == (record.cpu_ns, record.seconds)


def test_the_clip_is_the_same_at_every_rate(tmp_path: Path) -> None:
    low, high = sound(2), sound(2, 48_000)
    assert np.allclose(high[::3], low, atol=1e-3)
    path = write_calibration(tmp_path / "clip.mov", Calibration(seconds=1))
    with av.open(str(path)) as container:
        numbers = [read_picture(f.to_ndarray(format="gray")).number for f in container.decode(video=0)]
    assert numbers == list(range(FRAME_RATE_HZ))
