"""Transcoding a file once, so that publishing it again and again is nearly free."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import av

from clients.publisher.encode import (
    MAX_FRAME_RATE_HZ,
    OPUS_RATE_HZ,
    EncodeSettings,
    configure_opus,
    configure_vp8,
    opus_blocks,
    scaled_pictures,
)
from realtime.errors import MediaError
from realtime.ingest.probe import open_media


def prepare_clip(
    path: str | Path,
    out_webm: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    bit_rate: int | None = None,
) -> Path:
    """Transcode a file to WebM with VP8 and Opus, which ``EncodedClip`` then only demuxes.

    Args:
        path: Any container and codec that PyAV reads.
        out_webm: The file to write; it appears only once it is complete.
        width: Width in px; with one of the two sides None the aspect ratio is kept.
        height: Height in px.
        bit_rate: Bits per second of video; None follows from the size.

    Returns:
        The path of the written file.

    Raises:
        MediaError: The file cannot be read, or nothing in it can be decoded.
    """
    info = open_media(path)
    settings = EncodeSettings(width=width, height=height, bit_rate=bit_rate)
    pictures: Iterator[Any] = iter(()) if info.video_index is None else scaled_pictures(info, settings)
    blocks: Iterator[Any] = iter(()) if info.audio_index is None else opus_blocks(info)
    picture, block = next(pictures, None), next(blocks, None)
    if picture is None and block is None:
        raise MediaError(f"Nothing in {path} could be decoded.", fix="Check that the file plays elsewhere.")
    finished = Path(out_webm)
    unfinished = finished.with_name(f"{finished.name}.part")
    with av.open(str(unfinished), "w", format="webm") as out:
        tracks: list[Iterator[tuple[float, Any, Any]]] = []
        streams: list[Any] = []
        if picture is not None:
            video: Any = out.add_stream("libvpx", rate=MAX_FRAME_RATE_HZ)
            configure_vp8(video.codec_context, picture, settings)
            streams.append(video)
            tracks.append(_timed(video, chain([picture], pictures)))
        if block is not None:
            audio: Any = out.add_stream("libopus", rate=OPUS_RATE_HZ)
            configure_opus(audio.codec_context, block.layout.name)
            streams.append(audio)
            tracks.append(_timed(audio, chain([block], blocks)))
        for _, stream, frame in heapq.merge(*tracks, key=lambda entry: entry[0]):
            out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    return unfinished.replace(finished)


def _timed(stream: Any, frames: Iterator[Any]) -> Iterator[tuple[float, Any, Any]]:
    for frame in frames:
        yield float(frame.pts * frame.time_base), stream, frame
