"""Everything that moves through one door: opens a file, and hands out the frames that a rule chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from mediasift.errors import Unsupported
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.video.animation import Animation
from mediasift.media.video.every import Every, chosen_numbers
from mediasift.media.video.frames import Frame
from mediasift.media.video.shots import Cell, cell_frames, find_shots, measured
from mediasift.media.video.video import Video
from mediasift.sources.content import Content
from mediasift.sources.formats import known_format

Footage = Video | Animation

_DEMUXERS = {
    "mp4": "mp4",
    "matroska": "matroska",
    "avi": "avi",
    "asf": "asf",
    "flv": "flv",
    "gif": "gif",
    "png": "apng",
}
"""Format → FFmpeg's reader for it. It is named, so that no file can be taken for a playlist and send us elsewhere."""


_FRAMES_AHEAD = 256
"""Frames of a stretch that may be measured before those of the one before it are: the usual distance of I-frames."""

ANIMATED = frozenset({"gif", "png", "webp"})
"""Formats of pictures that may move."""


@contextmanager
def open_footage(
    content: Content, *, max_megapixels: float = MAX_MEGAPIXELS, alive: Callable[[], None] = lambda: None
) -> Iterator[Footage]:
    """An opened video or animated picture.

    Args:
        content: What holds it.
        max_megapixels: Larger frames are refused.
        alive: Called about once a second while a video is read; reading a film takes longer than any picture.

    Raises:
        ItemError: It cannot be read, is damaged, or does not move.
    """
    head = content.head()
    form = known_format(head, content.suffix)
    if form.kind != "video" and not moves(form.name, head):
        raise Unsupported(f"a {form.kind} file ({form.name}), not a video")
    if form.name == "webp":
        with Animation(content.read(), max_megapixels=max_megapixels) as animation:
            yield animation
        return
    demuxer = _mpeg_demuxer(head) if form.name == "mpeg" else _DEMUXERS[form.name]
    with content.local() as file, Video(file, demuxer, max_megapixels=max_megapixels, alive=alive) as video:
        yield video


def _mpeg_demuxer(head: bytes) -> str:
    return {b"\0\0\1\xba": "mpeg", b"\0\0\1\xb3": "mpegvideo"}.get(head[:4], "mpegts")


def chosen_frames(footage: Footage, every: Every, *, detector: str = "content") -> Iterator[tuple[Frame, int | None]]:
    """The frames that a rule chooses, each with the number of its shot where it stands for one."""
    if every.unit == "shot":
        for shot in find_shots(measured_cells(footage, colours=False, keyframes=True), detector=detector):
            # A short shot after a fade may have no key frame; then it is fetched.
            found = [shot.keyframe] if shot.keyframe is not None else footage.at([shot.middle])
            yield from ((frame, shot.number) for frame in found)
        return
    if every.unit == "iframe":
        frames: Iterator[Frame] = iter(footage.iframes())
    else:
        frames = iter(footage.at(chosen_numbers(every, footage.timetable.ticks, footage.timetable.time_base)))
    yield from ((frame, None) for frame in frames)


def measured_cells(footage: Footage, *, colours: bool = True, keyframes: bool = False) -> Iterator[Cell]:
    """Every frame of a film measured, as `find_shots` wants it, with all cores."""
    work = partial(measured, colours=colours, keyframes=keyframes)
    return footage.side_by_side(work, ahead=max(2, _FRAMES_AHEAD // cell_frames(footage.size)))


def moves(name: str, head: bytes) -> bool:
    """Whether a picture of this format, by its first bytes, may be an animation."""
    if name == "png":
        return b"acTL" in head
    if name == "webp":
        return head[12:16] == b"VP8X" and bool(head[20] & 2)  # the animation flag, RFC 9649, 2.7
    return name == "gif"
