"""What a media file holds, found out without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition, Stream

from realtime.errors import MediaError
from realtime.timebase import NS_PER_S
from realtime.types import TrackKind

_TEXT_ART_CODECS = frozenset({"ansi", "bintext", "xbin", "idf"})
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat")
_PLAYLIST_MARK = b"<MPD"
_CONVERT = "Convert it with a media tool to MP4 or WebM, or choose another file."


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a file holds.

    Attributes:
        path: The file.
        container: Short name of the container format.
        start_ns: Container time that becomes call time zero.
        duration_ns: Declared length; None where the container declares none.
        video_index: The stream that is read as video; None without one.
        audio_index: The stream that is read as audio; None without one.
        video_codec: Short name of its codec.
        audio_codec: Short name of its codec.
        width: Coded width in px, 0 without video.
        height: Coded height in px, 0 without video.
        cut_short: The file is shorter than its own header says.
    """

    path: Path
    container: str
    start_ns: int
    duration_ns: int | None
    video_index: int | None
    audio_index: int | None
    video_codec: str | None
    audio_codec: str | None
    width: int
    height: int
    cut_short: bool

    def index_of(self, kind: TrackKind) -> int | None:
        """Return the stream that is read as a kind of media."""
        return self.audio_index if kind == "audio" else self.video_index


def open_container(path: Path) -> InputContainer:
    """Open a local file; nothing in it can make the demuxer open another file or a network address.

    Raises:
        MediaError: It does not exist, is empty, is not a file, is a playlist or is not media.
    """
    if not path.exists():
        raise MediaError(f"{path} does not exist.", fix="Check the path.")
    if not path.is_file():
        raise MediaError(f"{path} is not a file.", fix="Name a media file.")
    try:
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty.", fix="Record or copy it again.")
        if _is_playlist(path):
            raise MediaError(f"{path} is a playlist.", fix="Name the media file itself.")
        return av.open(
            f"file:{path}",
            mode="r",
            container_options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise MediaError(f"{path} cannot be read.", fix="Give read permission on it.") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} is not a media file that can be read.", fix=_CONVERT) from error


def open_media(path: str | Path) -> MediaInfo:
    """Find out what a file holds.

    Raises:
        MediaError: It cannot be read, or holds neither audio nor video.
    """
    path = Path(path)
    with open_container(path) as container:
        video = next((s for s in container.streams.video if _is_moving_picture(s)), None)
        audio = next((s for s in container.streams.audio if _has_decoder(s)), None)
        if video is None and audio is None:
            raise MediaError(f"{path} holds neither audio nor video.", fix=_CONVERT)
        return MediaInfo(
            path=path,
            container=container.format.name,
            start_ns=(container.start_time or 0) * (NS_PER_S // av.time_base),
            duration_ns=None if container.duration is None else container.duration * 1000,
            video_index=None if video is None else video.index,
            audio_index=None if audio is None else audio.index,
            video_codec=None if video is None else video.codec_context.name,
            audio_codec=None if audio is None else audio.codec_context.name,
            width=0 if video is None else video.width,
            height=0 if video is None else video.height,
            cut_short=_riff_is_cut_short(path),
        )


def _is_playlist(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return head.startswith(_PLAYLIST_STARTS) or _PLAYLIST_MARK in head


def _has_decoder(stream: Stream) -> bool:
    return getattr(stream, "codec_context", None) is not None


def _is_moving_picture(stream: Stream) -> bool:
    cover_art = bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))
    return _has_decoder(stream) and not cover_art and stream.codec_context.name not in _TEXT_ART_CODECS


def _riff_is_cut_short(path: Path) -> bool:
    """Tell whether a WAV or AVI file ends before its RIFF chunk; 0 and 2^32 - 1 stand for an open length."""
    with path.open("rb") as file:
        head = file.read(8)
    if len(head) < 8 or not head.startswith(b"RIFF"):
        return False
    (declared,) = struct.unpack("<I", head[4:])
    return bool(0 < declared < 0xFFFFFFFF and path.stat().st_size < declared + 8)
