"""Kept media as files of a bundle: a JPEG a face, their list, and the loudness. Bytes only."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from realtime.evidence.media import Envelope, FacePicture, KeptMedia, is_in_strip, seen_spans
from realtime.evidence.record import ENVELOPE_NAME, FACES_NAME, SeamRecord
from realtime.timebase import NS_PER_S, tick_time_ns
from realtime.types import Modality, Seam, TimeSpan, read_only

_FACE_NAME = re.compile(r"face-(\d{6,12})\.jpg")
_FACE_COLUMNS = ("file", "tick", "time_s", "track")
_ENVELOPE_COLUMNS = ("tick", "time_s", "rms")
_JPEG_START = b"\xff\xd8\xff"
#: A picture of 112 x 112 px takes less.
MAX_JPEG_BYTES = 64 << 10
#: A scan's memory holds less.
MAX_ENVELOPE_TICKS = 1 << 17


def media_files(media: KeptMedia, offset_ns: int) -> dict[str, bytes]:
    """Return the files of kept media by name.

    Args:
        media: What is kept.
        offset_ns: Call time minus time on the participant's own timeline.
    """
    faces = {face_name(face.tick): face for face in media.faces}
    listed = [
        (name, face.tick, _seconds(face.tick, offset_ns), "" if face.track_id is None else face.track_id)
        for name, face in faces.items()
    ]
    first = media.envelope.first_tick
    heard = [
        (tick, _seconds(tick, offset_ns), f"{rms:.5f}")
        for tick, rms in enumerate(media.envelope.rms.tolist(), first)
        if math.isfinite(rms)
    ]
    return {
        FACES_NAME: _csv(_FACE_COLUMNS, listed),
        **{name: face.jpeg for name, face in faces.items()},
        ENVELOPE_NAME: _csv(_ENVELOPE_COLUMNS, heard),
    }


def read_media(files: Mapping[str, bytes]) -> KeptMedia | None:
    """Read kept media from the files of a bundle; None where none was kept.

    A picture that is listed and not there is left out.

    Raises:
        ValueError: A list is not what the monitor writes.
    """
    if FACES_NAME not in files and ENVELOPE_NAME not in files:
        return None
    faces = [
        FacePicture(tick=tick, track_id=track_id, jpeg=files[face_name(tick)])
        for tick, track_id in _listed(files.get(FACES_NAME))
        if face_name(tick) in files
    ]
    return KeptMedia(faces=tuple(faces), envelope=_envelope(files.get(ENVELOPE_NAME)))


def media_faults(files: Mapping[str, bytes], seams: Sequence[SeamRecord]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with kept media, as file and fault; nothing where none was kept."""
    pictures = {name for name in files if _FACE_NAME.fullmatch(name)}
    if not pictures and FACES_NAME not in files and ENVELOPE_NAME not in files:
        return
    for name in (FACES_NAME, ENVELOPE_NAME):
        if name not in files:
            yield name, "is missing"
    try:
        listed = {face_name(tick): tick for tick, _ in _listed(files.get(FACES_NAME))}
        _envelope(files.get(ENVELOPE_NAME))
    except ValueError as error:
        yield FACES_NAME if FACES_NAME in str(error) else ENVELOPE_NAME, str(error)
        return
    spans = [span for seam in seams for span in seen_spans(seam_of(seam))]
    for name in sorted(pictures | listed.keys()):
        if name not in files:
            yield name, "is missing"
        elif name not in listed:
            yield name, f"is not in {FACES_NAME}"
        elif not files[name].startswith(_JPEG_START) or len(files[name]) > MAX_JPEG_BYTES:
            yield name, "is no picture that a monitor writes"
        elif not any(is_in_strip(tick_time_ns(listed[name]), span) for span in spans):
            yield name, "does not lie at one of the moments that disagree"


def face_name(tick: int) -> str:
    """Return the name of the file with the face of a tick."""
    return f"face-{tick:06d}.jpg"


def seam_of(seam: SeamRecord) -> Seam:
    """Return a stored seam as the pipeline had it, on the participant's own timeline."""
    (a_start, a_end), (b_start, b_end) = seam.a_ns, seam.b_ns
    return Seam(
        kind=Modality(seam.kind),
        a=TimeSpan(start_ns=a_start, end_ns=a_end),
        b=TimeSpan(start_ns=b_start, end_ns=b_end),
        value=seam.value,
    )


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _rows(name: str, content: bytes | None, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    if content is None:
        return
    try:
        head, *rows = csv.reader(io.StringIO(content.decode("ascii")), strict=True)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{name} is not as a monitor writes it") from error
    if tuple(head) != tuple(columns) or any(len(row) != len(columns) for row in rows):
        raise ValueError(f"{name} is not as a monitor writes it")
    for row in rows:
        yield dict(zip(columns, row, strict=True))


def _listed(content: bytes | None) -> list[tuple[int, int | None]]:
    listed = []
    for row in _rows(FACES_NAME, content, _FACE_COLUMNS):
        match = _FACE_NAME.fullmatch(row["file"])
        if match is None or match[1] != row["tick"].zfill(6) or not re.fullmatch(r"\d*", row["track"]):
            raise ValueError(f"{FACES_NAME} is not as a monitor writes it")
        listed.append((int(row["tick"]), int(row["track"]) if row["track"] else None))
    return listed


def _envelope(content: bytes | None) -> Envelope:
    ticks: list[int] = []
    values: list[float] = []
    for row in _rows(ENVELOPE_NAME, content, _ENVELOPE_COLUMNS):
        try:
            tick, rms = int(row["tick"]), float(row["rms"])
        except ValueError as error:
            raise ValueError(f"{ENVELOPE_NAME} is not as a monitor writes it") from error
        in_order = not ticks or ticks[-1] < tick < ticks[0] + MAX_ENVELOPE_TICKS
        if tick < 0 or not in_order or not math.isfinite(rms) or rms < 0:
            raise ValueError(f"{ENVELOPE_NAME} is not as a monitor writes it")
        ticks.append(tick)
        values.append(rms)
    if not ticks:
        return Envelope(first_tick=0, rms=read_only(np.zeros(0, np.float32)))
    rms_by_tick = np.full(ticks[-1] - ticks[0] + 1, np.nan, np.float32)
    rms_by_tick[np.array(ticks) - ticks[0]] = values
    return Envelope(first_tick=ticks[0], rms=read_only(rms_by_tick))


def _seconds(tick: int, offset_ns: int) -> str:
    return f"{(tick_time_ns(tick) + offset_ns) / NS_PER_S:.3f}"
