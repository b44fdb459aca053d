"""The demo pair: synthetic clips, recorded ones, the cache, and folders that cannot be used."""

import csv
import itertools
import shutil
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from clients.demo.clip_writer import Tick, write_clip
from clients.demo.pair import DemoPair, demo_pair
from clients.demo.recordings import PICTURE_SIZE, choose_cast
from realtime.errors import MediaError
from realtime.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_TICK

SPEAKER_SHADES = {"grid_a": 60, "grid_b": 120, "grid_c": 180}
TONES_HZ = {"grid_a": 200.0, "grid_b": 400.0, "grid_c": 800.0}


def decoded(path: Path) -> tuple[list[npt.NDArray[np.uint8]], npt.NDArray[np.float32], str]:
    pictures, blocks = [], []
    with av.open(str(path)) as container:
        title = container.metadata.get("title", "")
        for frame in container.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                assert frame.time == pytest.approx(len(pictures) / 25, abs=1e-3)
                pictures.append(frame.to_ndarray(format="rgb24"))
            else:
                assert frame.sample_rate in (SAMPLE_RATE_HZ, 48_000)
                blocks.append(frame.to_ndarray().reshape(-1)[:: frame.sample_rate // SAMPLE_RATE_HZ])
    return pictures, np.concatenate(blocks), title


def flat_clip(path: Path, shade: int, tone_hz: float, seconds: float) -> None:
    image = np.full((144, 176, 3), shade, np.uint8)
    count = round(seconds * 25)
    times_s = np.arange(count * SAMPLES_PER_TICK) / SAMPLE_RATE_HZ
    sound = (0.3 * np.sin(2 * np.pi * tone_hz * times_s)).astype(np.float32).reshape(-1, SAMPLES_PER_TICK)
    write_clip(path, zip(itertools.repeat(image), sound, strict=False), title="flat")


def clips_folder(folder: Path) -> Path:
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "speaker", "duration_s", "quality", "licence_corpus"])
        for speaker, clips in (("grid_a", 4), ("grid_b", 2), ("grid_c", 1)):
            for index in range(clips):
                name = f"{speaker}_{index}.mp4"
                flat_clip(folder / name, SPEAKER_SHADES[speaker], TONES_HZ[speaker], 3.0)
                rows.writerow([name, "real", speaker, 3.0, "good", "GRID corpus (CC BY 4.0)"])
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips_folder(tmp_path_factory.mktemp("recorded") / "clips")


@pytest.fixture(scope="module")
def synthetic_pair(tmp_path_factory: pytest.TempPathFactory) -> DemoPair:
    return demo_pair(None, tmp_path_factory.mktemp("pair"), seconds=4.0)


def loudest_hz(samples: npt.NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * SAMPLE_RATE_HZ / samples.size)


def test_the_synthetic_pair_lasts_as_stated_and_says_what_it_is(synthetic_pair: DemoPair) -> None:
    assert synthetic_pair.synthetic
    assert "synthetic" in synthetic_pair.description
    assert synthetic_pair.change_at_s == 2.0
    for path in (synthetic_pair.genuine, synthetic_pair.tampered):
        pictures, sound, title = decoded(path)
        assert "synthetic" in path.name
        assert "synthetic" in title
        assert len(pictures) == 100
        assert pictures[0].shape == (480, 640, 3)
        assert sound.size / SAMPLE_RATE_HZ == pytest.approx(4.0, abs=0.1)
        assert np.abs(sound).max() > 0.1


def test_the_face_changes_at_the_stated_picture_and_nowhere_else(synthetic_pair: DemoPair) -> None:
    steps = {}
    for name, path in (("genuine", synthetic_pair.genuine), ("tampered", synthetic_pair.tampered)):
        pictures = [picture[60:360, 200:440].astype(int) for picture in decoded(path)[0]]
        steps[name] = np.array([np.abs(b - a).mean() for a, b in itertools.pairwise(pictures)])
    change = round(synthetic_pair.change_at_s * 25) - 1
    assert steps["tampered"].argmax() == change
    others = np.delete(steps["tampered"], change)
    assert steps["tampered"][change] > 4 * max(others.max(), steps["genuine"].max())


def test_the_clips_are_made_once(synthetic_pair: DemoPair) -> None:
    folder = synthetic_pair.genuine.parent
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    reports: list[float] = []
    again = demo_pair(None, folder, seconds=4.0, progress=lambda _what, part: reports.append(part))
    assert again == synthetic_pair
    assert reports == []
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == made


def test_progress_runs_from_nothing_to_all(recorded: Path, tmp_path: Path) -> None:
    reports: list[tuple[str, float]] = []
    demo_pair(recorded, tmp_path, seconds=4.0, progress=lambda what, part: reports.append((what, part)))
    for what in {what for what, _ in reports}:
        parts = [part for name, part in reports if name == what]
        assert parts == sorted(parts)
        assert (parts[0], parts[-1]) == (0.0, 1.0)


def test_recorded_faces_are_exchanged_while_the_voice_goes_on(recorded: Path, tmp_path: Path) -> None:
    pair = demo_pair(recorded, tmp_path, seconds=8.0)
    assert not pair.synthetic
    assert "GRID" in pair.description
    assert pair.change_at_s == 4.0
    for path, before, after in ((pair.genuine, "grid_a", "grid_a"), (pair.tampered, "grid_b", "grid_c")):
        pictures, sound, _ = decoded(path)
        assert len(pictures) == 200
        assert pictures[0].shape == (PICTURE_SIZE[1], PICTURE_SIZE[0], 3)
        shades = np.array([picture.mean() for picture in pictures])
        np.testing.assert_allclose(shades[:100], SPEAKER_SHADES[before], atol=8)
        np.testing.assert_allclose(shades[100:], SPEAKER_SHADES[after], atol=8)
        second_half = sound[5 * SAMPLE_RATE_HZ : 7 * SAMPLE_RATE_HZ]
        assert loudest_hz(second_half) == pytest.approx(TONES_HZ[before], abs=2)


def test_clips_with_late_sound_lend_their_pictures_only(recorded: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(recorded, tmp_path / "clips"))
    manifest = folder / "manifest.csv"
    lines = manifest.read_text().splitlines()
    late = [line.replace("good", "sync_suspect") if "grid_a" in line else line for line in lines]
    flat_clip(folder / "grid_d_0.mp4", 90, 300.0, 6.0)
    late.append(f"grid_d_0.mp4,real,grid_d,6.0,good,{lines[1].split(',')[-1]}")
    manifest.write_text("\n".join(late))
    cast = choose_cast(folder)
    assert {clip.path.name[:6] for clip in cast.genuine_clips + cast.caller_clips} == {"grid_b", "grid_d"}
    assert {clip.path.name[:6] for clip in cast.intruder_clips} == {"grid_a"}


def test_broken_and_missing_clips_are_left_out(recorded: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(recorded, tmp_path / "clips"))
    (folder / "grid_a_0.mp4").write_bytes(b"not a film")
    (folder / "grid_a_1.mp4").write_bytes(b"")
    (folder / "grid_a_2.mp4").unlink()
    played = list(choose_cast(folder).genuine(100))
    assert len(played) == 100
    np.testing.assert_allclose([picture.mean() for picture, _ in played], SPEAKER_SHADES["grid_a"], atol=8)


@pytest.mark.parametrize("damage", ["all broken", "another corpus", "no file left"])
def test_too_few_recordings_give_a_synthetic_pair_that_says_so(
    recorded: Path, synthetic_pair: DemoPair, tmp_path: Path, damage: str
) -> None:
    folder = Path(shutil.copytree(recorded, tmp_path / "clips"))
    manifest = folder / "manifest.csv"
    if damage == "another corpus":
        manifest.write_text(manifest.read_text().replace("GRID", "LRS3"))
    for clip in folder.glob("*.mp4"):
        if damage == "all broken":
            clip.write_bytes(b"")
        elif damage == "no file left":
            clip.unlink()
    pair = demo_pair(folder, synthetic_pair.genuine.parent, seconds=4.0)
    assert pair.synthetic
    assert pair.tampered == synthetic_pair.tampered
    assert pair.description != synthetic_pair.description
    assert "clips" in pair.description


@pytest.mark.parametrize(
    "manifest", [None, b"", b"file,label\nx.mp4,real\n", b"\xff\xfe\x00\x01", "bad number"]
)
def test_a_folder_that_cannot_be_read_is_an_error_with_a_fix(
    tmp_path: Path, manifest: bytes | str | None
) -> None:
    if manifest == "bad number":
        (tmp_path / "x.mp4").write_bytes(b"x")
        manifest = b"file,label,speaker,duration_s,quality,licence_corpus\nx.mp4,real,s,long,good,GRID\n"
    if isinstance(manifest, bytes):
        (tmp_path / "manifest.csv").write_bytes(manifest)
    with pytest.raises(MediaError) as caught:
        demo_pair(tmp_path, tmp_path / "out", seconds=4.0)
    assert caught.value.fix


def test_a_call_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        demo_pair(None, tmp_path, seconds=1.0)


def test_a_failure_while_writing_leaves_no_file(tmp_path: Path) -> None:
    def interrupted() -> itertools.chain[Tick]:
        tick = (np.zeros((48, 64, 3), np.uint8), np.zeros(SAMPLES_PER_TICK, np.float32))

        def fail() -> Tick:
            raise RuntimeError("interrupted")

        return itertools.chain([tick], (fail() for _ in range(1)))

    with pytest.raises(RuntimeError):
        write_clip(tmp_path / "clip.mp4", interrupted(), title="interrupted")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error_with_a_fix(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(MediaError) as caught:
        demo_pair(None, blocked / "sub", seconds=4.0)
    assert caught.value.fix
