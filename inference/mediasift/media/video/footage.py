"""Everything that moves through one door: opens a file, and hands out the frames that a rule chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

from mediasift.errors import ItemError, Unsupported
from mediasift.items import FailedItem, Item
from mediasift.media.pictures.images import Admit, ground_of
from mediasift.media.video.animation import Animation
from mediasift.media.video.cuts import DEFAULT_DETECTOR, MIN_SHOT_S
from mediasift.media.video.decoder import Viewing
from mediasift.media.video.every import Every, Timetable, chosen_numbers
from mediasift.media.video.frames import Frame
from mediasift.media.video.shots import Cell, cell_frames, find_shots, measured
from mediasift.media.video.video import Video
from mediasift.sources.content import Content
from mediasift.sources.formats import known_format, moves

Footage = Video | Animation

_FRAMES_AHEAD = 256
"""Frames of a stretch that may be measured before those of the one before it are: the usual distance of I-frames."""

_MPEG_DEMUXERS = {b"\0\0\1\xba": "mpeg", b"\0\0\1\xb3": "mpegvideo"}


@contextmanager
def open_footage(
    content: Content,
    viewing: Viewing = Viewing(),  # noqa: B008  (frozen)
    *,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[Footage]:
    """An opened video or animated picture.

    Args:
        content: What holds it.
        viewing: What is wanted of it.
        alive: Called about once a second while a video is read; reading a film takes longer than any picture.

    Raises:
        ItemError: It cannot be read, is damaged, or does not move.
    """
    head = content.head()
    form = known_format(head, content.suffix)
    if form.kind != "video" and not moves(form.name, head):
        raise Unsupported(f"a {form.kind} file ({form.name}), not a video")
    if form.kind == "picture":
        viewing = replace(viewing, background=ground_of(content.read(), viewing.background))
        with closing(Animation(content.read(), form.name, viewing)) as animation:
            yield animation
        return
    # FFmpeg's reader is named, so that no file can be taken for a playlist and send us elsewhere.
    demuxer = _MPEG_DEMUXERS.get(head[:4], "mpegts") if form.name == "mpeg" else form.name
    with content.reached() as file, closing(Video(file, demuxer, viewing=viewing, alive=alive)) as video:
        yield video


def chosen_frames(
    footage: Footage,
    every: Every,
    *,
    detector: str = DEFAULT_DETECTOR,
    fades: bool = True,
    min_shot_s: float = MIN_SHOT_S,
) -> Iterator[tuple[Frame, int | None]]:
    """The frames that a rule chooses, each with the number of its shot where it stands for one."""
    if every.unit == "shot":
        cells = measured_cells(footage, colours=False, keyframes=True)
        for shot in find_shots(cells, detector=detector, fades=fades, min_shot_s=min_shot_s):
            # A short shot after a fade may have no key frame; then it is fetched.
            keyframes = [shot.keyframe] if shot.keyframe is not None else footage.at([shot.middle])
            yield from ((frame, shot.number) for frame in keyframes)
        return

    def chosen(table: Timetable) -> Sequence[int]:
        return chosen_numbers(every, table.ticks, table.time_base)

    frames: Iterable[Frame] = footage.iframes() if every.unit == "iframe" else footage.at(chosen)
    yield from ((frame, None) for frame in frames)


def frame_item(
    frame: Frame, path: str, admit: Admit, *, content: Content | None = None, shot: int | None = None, note: str = ""
) -> Item | FailedItem:
    """A frame as a picture, for which `admit` lets its megapixels in; a failed item where it does not convert."""
    width, height = frame.size
    admit(width * height / 1e6)
    try:
        image = frame.rgb()
    except ItemError as error:
        return FailedItem(path=path, frame=frame.number, time_s=frame.time_s, error=error)
    return Item(
        path=path, frame=frame.number, time_s=frame.time_s, image=image, original_size=frame.size, shot=shot,
        content=content, note=note,
    )  # fmt: skip


def measured_cells(footage: Footage, *, colours: bool = True, keyframes: bool = False) -> Iterator[Cell]:
    """Every frame of a film measured, as `find_shots` wants it, with all cores."""
    work = partial(measured, colours=colours, keyframes=keyframes)
    if isinstance(footage, Animation):
        return work(footage.frames())
    return footage.side_by_side(work, ahead=max(2, _FRAMES_AHEAD // cell_frames(footage.size)))
