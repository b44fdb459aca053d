"""The scan bench: its recordings, and what is made of its timings."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli.scan import scan
from bench.scan_speed.clip import CODECS, write_recording
from bench.scan_speed.summary import Timed, figures, table
from clients.demo.clip_writer import clip_suffix, write_clip
from realtime.ingest.file import read_media
from realtime.ingest.sink import PendingPicture
from realtime.timebase import SAMPLES_PER_TICK
from realtime.types import AudioFrame

TICKS = 30


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A short clip that turns from dark to bright, with a tone."""
    path = tmp_path_factory.mktemp("clip") / f"source{clip_suffix()}"
    time_s = np.arange(TICKS * SAMPLES_PER_TICK) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32).reshape(TICKS, -1)
    ticks = ((np.full((48, 64, 3), 8 * n, np.uint8), sound) for n, sound in enumerate(tone))
    write_clip(path, ticks, title="test")
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_a_recording_has_the_codec_the_size_and_the_media_of_its_source(source, tmp_path, codec):
    path = write_recording(source, tmp_path, codec, width_px=128, height_px=96)
    pictures, samples = [], 0
    with read_media(path) as media:
        assert media.info.video_codec == codec
        assert (media.info.width, media.info.height) == (128, 96)
        for item in media:
            if isinstance(item, PendingPicture):
                pictures.append(item.convert().mean())
            elif isinstance(item, AudioFrame):
                samples += len(item.samples)
    assert TICKS - 2 <= len(pictures) <= TICKS + 1
    assert pictures[-1] > pictures[0] + 150
    assert abs(samples - TICKS * SAMPLES_PER_TICK) < 3 * SAMPLES_PER_TICK


def test_the_floor_is_timed_in_a_process_of_its_own(source):
    command = [sys.executable, "-m", "bench.scan_speed.timing", str(source), "--scans", "2", "--floor"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert len(found["wall_s"]) == len(found["cpu_s"]) == 2
    assert found["duration_s"] == pytest.approx(TICKS / 25, abs=0.1)


def timed(
    codec="h264", threads=1, wall_s=(10.0, 2.0, 1.0, 4.0), cpu_s=(9.0, 3.0, 3.0, 3.0), verdict="genuine"
):
    return Timed(codec=codec, threads=threads, duration_s=20.0, wall_s=wall_s, cpu_s=cpu_s, verdict=verdict)


def test_speeds_leave_the_cold_scan_apart():
    by_name = {figure.name: figure for figure in figures([timed()])}
    warm, cold = by_name["Warm: h264, threads 1"], by_name["Cold: h264, threads 1"]
    assert warm.values == (10.0, 20.0, 5.0)
    assert warm.met is False
    assert cold.values == (2.0,)


def test_a_row_states_the_cost_over_the_floor_of_its_recording():
    floors = [timed(threads=0, cpu_s=(1.0, 1.0, 1.0, 1.0), verdict="")]
    rows = table([timed(), timed(codec="vp8")], floors).rows
    assert [row[:2] for row in rows] == [("h264", "floor"), ("h264", 1), ("vp8", 1)]
    assert rows[1][4] == pytest.approx(150.0)
    assert rows[1][5] == pytest.approx(3.0)
    assert rows[2][5] == "-"


@pytest.mark.parametrize("threads", ["0", "one", "1;2"])
def test_numbers_of_threads_that_are_none_are_refused(threads):
    assert CliRunner().invoke(scan, ["--threads", threads]).exit_code == 2
