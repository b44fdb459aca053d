"""Media in the evidence: only where allowed, only what disagrees, bounded, and verified like the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from clients.cli.evidence_options import evidence_options
from realtime.errors import ConfigurationError
from realtime.evidence.bundle import bundle_files
from realtime.evidence.contents import kept_media
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.keeping import Keeping
from realtime.evidence.media import STRIP_MARGIN_NS, MediaMemory, seen_spans
from realtime.evidence.media_files import face_name, seam_of
from realtime.evidence.reading import check_path
from realtime.evidence.record import ENVELOPE_NAME, FACES_NAME
from realtime.timebase import SAMPLES_PER_TICK, tick_time_ns
from realtime.types import AudioFrame, Modality, Seam, TimeSpan
from tests.support.evidence import footprint
from tests.support.evidence_bundles import Stream, item_of, provenance_for
from tests.support.evidence_media import face_crop, with_media


def span(start_tick: int, ticks: int = 25) -> TimeSpan:
    return TimeSpan(start_ns=tick_time_ns(start_tick), end_ns=tick_time_ns(start_tick + ticks))


def seam(kind: Modality, a: int, b: int) -> Seam:
    return Seam(kind=kind, a=span(a), b=span(b), value=0.1)


def filled(ticks: int, windows: int = 256) -> MediaMemory:
    memory = MediaMemory(windows)
    for tick in range(0, ticks, 15):
        memory.take_face(tick, 1, face_crop(tick % 200))
    return memory


def test_only_pictures_of_the_moments_that_disagree_leave_the_memory() -> None:
    memory = filled(2000)
    shown = {face.tick for face in memory.snapshot([seam(Modality.INTRA, 300, 900)]).faces}
    assert shown == {285, 300, 315, 330, 900 - 15, 900, 915, 930}
    shown = {face.tick for face in memory.snapshot([seam(Modality.CROSS, 300, 303)]).faces}
    assert shown == {285, 300, 315, 330}
    assert memory.snapshot(()).faces == ()


def test_a_picture_is_a_small_jpeg_of_the_crop() -> None:
    (face,) = filled(1).snapshot([seam(Modality.CROSS, 0, 0)]).faces
    picture = cv2.cvtColor(
        cv2.imdecode(np.frombuffer(face.jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
    )
    assert picture.shape == (112, 112, 3)
    assert np.abs(picture.astype(int) - face_crop(0)).mean() < 4


def test_memory_is_fixed_however_long_the_call() -> None:
    memory = MediaMemory(8)
    sizes = []
    for tick in range(2000):
        if tick % 15 == 0:
            memory.take_face(tick, 1, face_crop(80))
        samples = np.full(SAMPLES_PER_TICK, 0.1, np.float32)
        memory.take_audio(AudioFrame(start_ns=tick_time_ns(tick), samples=samples))
        if tick in (500, 1999):
            sizes.append(footprint(memory))
    assert sizes[0] == sizes[1]
    everything = memory.snapshot([seam(Modality.INTRA, 0, 1000), seam(Modality.INTRA, 1000, 1975)])
    assert len(everything.faces) <= 8
    assert len(everything.envelope.rms) == 8 * 15


def test_without_media_a_bundle_has_none() -> None:
    names = bundle_files(item_of(), provenance_for()).keys()
    assert not {FACES_NAME, ENVELOPE_NAME} & names
    assert not any(name.endswith(".jpg") for name in names)


def stored(root: Path) -> tuple[Path, dict[str, bytes]]:
    files = bundle_files(
        with_media(item_of(Stream(windows=30, memory=40))), provenance_for(Stream(memory=40))
    )
    with EvidenceFolder(root) as folder:
        return folder.add(files, call="standup", state="alert"), files


def test_media_is_in_the_manifest_and_lies_at_the_seams(tmp_path: Path) -> None:
    place, files = stored(tmp_path / "evidence")
    checked = check_path(tmp_path / "evidence")
    assert checked.good, list(checked.findings())
    (bundle,) = checked.bundles
    pictures = {name for name in files if name.endswith(".jpg")}
    assert pictures
    assert bundle.manifest.files.keys() == files.keys() >= {FACES_NAME, ENVELOPE_NAME}
    media = kept_media(files)
    spans = [one for record in bundle.record.seams for one in seen_spans(seam_of(record))]
    for face in media.faces:
        time_ns = tick_time_ns(face.tick)
        assert any(one.start_ns - STRIP_MARGIN_NS <= time_ns < one.end_ns + STRIP_MARGIN_NS for one in spans)
    assert {face_name(face.tick) for face in media.faces} == pictures
    assert place.is_dir()


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        files[name] = change(files[name])

    return apply


def without_first_picture(files: dict[str, bytes]) -> None:
    del files[next(name for name in files if name.endswith(".jpg"))]


def with_foreign_picture(files: dict[str, bytes]) -> None:
    files[face_name(9_000_000)] = next(data for name, data in files.items() if name.endswith(".jpg"))
    files[FACES_NAME] += b"face-9000000.jpg,9000000,360000.000,1\n"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without_first_picture, ".jpg is missing"),
        (with_foreign_picture, "does not lie at one of the moments"),
        (lambda files: files.pop(ENVELOPE_NAME), f"{ENVELOPE_NAME} is missing"),
        (lambda files: files.pop(FACES_NAME), f"{FACES_NAME} is missing"),
        (rewritten(ENVELOPE_NAME, lambda data: data + b"3,x,y\n"), f"{ENVELOPE_NAME} is not as"),
        (rewritten(ENVELOPE_NAME, lambda data: data.replace(b"rms", b"loud")), f"{ENVELOPE_NAME} is not as"),
        (rewritten(FACES_NAME, lambda _: b""), f"{FACES_NAME} is not as"),
        (rewritten(FACES_NAME, lambda data: data + b"../x,1,2,3\n"), f"{FACES_NAME} is not as"),
    ],
)
def test_media_that_was_rewritten_with_its_manifest_is_found_all_the_same(
    tmp_path: Path, change: Callable[[dict[str, bytes]], object], complaint: str
) -> None:
    _, files = stored(tmp_path / "first")
    change(files)
    with EvidenceFolder(tmp_path / "second") as folder:
        folder.add(files, call="standup", state="alert")
    said = [f"{finding.file} {finding.fault}" for finding in check_path(tmp_path / "second").findings()]
    assert any(complaint in fault for fault in said), said


def test_a_picture_that_is_none_is_found(tmp_path: Path) -> None:
    _, files = stored(tmp_path / "first")
    name = next(name for name in files if name.endswith(".jpg"))
    files[name] = b"<script>"
    with EvidenceFolder(tmp_path / "second") as folder:
        folder.add(files, call="standup", state="alert")
    (finding,) = check_path(tmp_path / "second").findings()
    assert (finding.file, finding.fault) == (name, "is no picture that a monitor writes")


def test_media_is_refused_without_evidence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Keeping(media=True)
    assert "--keep-evidence" in refused.value.fix
    assert Keeping(evidence=tmp_path, media=True).media
    assert not Keeping(evidence=tmp_path).media
    with pytest.raises(ConfigurationError):
        evidence_options(lambda **_: None)(keep_evidence=None, keep_media=True, keep_for=1.0)
