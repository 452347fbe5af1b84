"""Opens containers of video through FFmpeg, and lets nothing in them open anything else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mediasift.errors import Damaged, ItemError, Unreadable
from mediasift.media.libraries import av
from mediasift.sources.content import Content, Reach

_CLOSED = (
    "3gp,aac,ac3,aiff,amr,apng,asf,au,avi,caf,eac3,flac,flv,gif,loas,matroska,mov,mp3,mp4,mpeg,mpegts,mpegvideo,nut,ogg,tta,"
    "w64,wav,webm,wv"
)
"""Containers that hold all of themselves; a playlist is none."""

_MOST_BOXES = 1000
"""Of an MP4 file that are looked at."""


def probe_container(file: Path | Reach, *, demuxer: str | None = None, options: Mapping[str, str] | None = None) -> Any:
    """An opened container that holds video or sound itself; nothing that names other files.

    The name goes to FFmpeg with `file:` before it and no other protocol is let through: nothing that a file says
    can make it open another place.

    Args:
        file: Where it is; or what opens it, where no more is fetched of it than is read.
        demuxer: FFmpeg's name for its format; no other is tried. None: any of those that hold all of themselves.
        options: Of the demuxer.

    Raises:
        Unreadable, Damaged: It cannot be opened.
    """
    closed = {"protocol_whitelist": "file", "format_whitelist": demuxer or _CLOSED}
    try:
        return av.open(
            file() if callable(file) else "file:" + os.path.abspath(file),  # noqa: PTH100  (a link must stay a link)
            format=demuxer,
            container_options={**(options or {}), **closed},  # not `options`: those are for streams, too
            metadata_errors="replace",
        )
    except (PermissionError, FileNotFoundError) as error:
        raise Unreadable(f"cannot be opened ({reason(error)})") from error
    except (av.FFmpegError, ValueError) as error:
        raise Damaged(f"cannot be opened ({_missing_index(file) or reason(error)})") from error


def _missing_index(file: Path | Reach) -> str:
    """What is missing in an MP4 file without its index; empty for others (ISO/IEC 14496-12, 8.2.1)."""
    boxes, place = list[bytes](), 0
    with file() if callable(file) else file.open("rb") as opened:
        end = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        while len(head := opened.read(16)) >= 8 and len(boxes) < _MOST_BOXES:
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            boxes.append(head[4:8])
            place += size
            if size < 8 or place >= end:  # no size, or one that no file has
                break
            opened.seek(place)
    if b"moov" in boxes or not {b"mdat", b"moof"} & set(boxes):
        return ""
    if b"moof" in boxes:
        return "its index (moov) is missing: it is a segment of a stream, to be joined to the first part (init) of that"
    return "its index (moov) is missing: the recording was not ended, or the copy is not whole"


def picture_streams(container: Any) -> list[Any]:
    """The video streams that hold a film, the default one first; a cover picture is a video stream by name only.

    A cover is marked as such, or is one picture of a picture's codec beside other streams.
    """
    streams = [one for one in container.streams.video if not one.disposition & av.stream.Disposition.attached_pic]
    films = [one for one in streams if len(container.streams) == 1 or one.frames != 1 or not _is_picture(one)]
    moving = [one for one in films if not _is_picture(one)]
    return _default_first(moving or films)


def sound_streams(container: Any) -> list[Any]:
    """The sound tracks, the default one first."""
    return _default_first(container.streams.audio)


def _default_first(streams: Iterable[Any]) -> list[Any]:
    return sorted(streams, key=lambda one: not one.disposition & av.stream.Disposition.default)


def _is_picture(stream: Any) -> bool:
    """Whether its codec is that of single pictures, as covers have; some cameras film in it, too."""
    return getattr(stream.codec_context, "name", "") in ("mjpeg", "png", "bmp", "gif", "tiff", "webp")


def container_start_s(content: Content) -> float:
    """Where the container's clock begins, which is where players count from; 0 where that is not known."""
    try:
        with content.local() as file, probe_container(file) as container:
            return (container.start_time or 0) / av.time_base
    except (av.FFmpegError, ValueError, ItemError):
        return 0.0


def reason(error: Exception) -> str:
    """What FFmpeg said, in words."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
