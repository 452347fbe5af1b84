"""Source → items: picks the reader for what the file holds and what the task reads."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from mediasift.errors import NotFound, Unsupported, UsageError
from mediasift.items import EmptyItem, FailedItem, Item, MediaFile, Place, RemoteSound, StoredAnswer, TextItem
from mediasift.media.documents.pages import read_pages
from mediasift.media.pictures.colors import Background
from mediasift.media.pictures.headers import check_size
from mediasift.media.pictures.images import Admit, admit_all, decode, from_pillow
from mediasift.media.pictures.levels import eight_bit
from mediasift.media.pictures.transforms import crop
from mediasift.media.sound.audio import read_clips
from mediasift.media.video.every import DEFAULT_EVERY, parse_every
from mediasift.sources.answers import Answers, Kept, read_answers
from mediasift.sources.boxes import Part
from mediasift.sources.content import Content
from mediasift.sources.formats import HEAD_BYTES, Format, known_format, moves, sniff
from mediasift.sources.memory import Array
from mediasift.sources.naming import Source
from mediasift.sources.places import Places, Spot
from mediasift.sources.texts import Cell

AnyItem = Place  # every item knows where it comes from
Size = tuple[int, int]

SMALL_BYTES = 1 << 16
"""A file with fewer bytes is read where its first ones are looked at, and opened once."""


def read_source(
    source: Source, reads: str, options: Any, *, needs: Size | None = None, admit: Admit = admit_all,
    begin: bytes | None = None,
) -> Iterator[AnyItem]:  # fmt: skip
    """The items of a source, each yielded as soon as it is decoded, without those that are done.

    Args:
        source: What to read.
        reads: What the task reads, see `tasks.task.Reads`.
        options: The task's settings, which hold those of what it reads, see `media.settings`.
        needs: Smallest (width, height) that pictures may be reduced to while decoding.
        admit: Called before each decode, with its megapixels.
        begin: The first `SMALL_BYTES` of a file, where they are read already.

    Raises:
        ItemError: The source as a whole cannot be read.
    """
    content = source.content
    if content is None:
        raise source.failure or NotFound("nothing to read")
    if isinstance(content, Array) and reads in ("pictures", "frames"):
        yield _given(source.path, content.image, options)
    elif isinstance(content, Part):
        yield _part(content, source.path, reads, options, admit)
    elif isinstance(content, Places):
        yield from _places(content, source.path, options, needs, admit)
    elif isinstance(content, Cell):
        yield TextItem(path=source.path, text=content.text)
    elif isinstance(content, Answers):
        yield from islice(map(_stored, read_answers(content)), source.done[0], None)
    elif reads == "sound" and content.name.startswith("gs://") and options.hears_addresses:
        yield RemoteSound(path=source.path)
    else:
        first, rows = source.done
        whole = 0 if rows and any(row.error for row in rows) else first  # a page that failed may be two items
        items = _read(content, source.path, reads, options, needs=needs, admit=admit, first=whole, begin=begin)
        yield from islice(items, first, None)


def _stored(one: Kept) -> AnyItem:
    if one.error is not None:
        return FailedItem(path=one.picture, error=one.error)
    return StoredAnswer(path=one.picture, page=one.page, service=one.service, answer=one.answer)


def _part(part: Part, path: str, reads: str, options: Any, admit: Admit) -> AnyItem:
    """What is in a box, cut out of every pixel that there is; a picture without a box is an empty item."""
    place: dict[str, Any] = {"path": path, "page": part.page, "frame": part.frame, "time_s": part.time_s}
    if part.box is None:
        return EmptyItem(**place)
    whole = next(_whole(part, path, reads, options, admit), None)
    if isinstance(whole, Item):
        image = np.ascontiguousarray(crop(whole.image, part.box))
        size = image.shape[1], image.shape[0]
        return replace(whole, image=image, original_size=size, part=part.number, content=part)
    if isinstance(whole, FailedItem):
        return whole
    known = whole is None or not hasattr(options, "force_ocr")
    reason = "no such page or frame is in the file" if known else "the text of the page is in the file; --force-ocr"
    return FailedItem(**place, error=NotFound(reason) if known else Unsupported(reason))


def _whole(part: Part, path: str, reads: str, options: Any, admit: Admit) -> Iterator[AnyItem]:
    """The picture, page or frame in which a box lies."""
    if part.frame is not None:
        from mediasift.media.video.footage import frame_item, open_footage

        with open_footage(part.whole, options.viewing, alive=partial(admit, 0.0)) as footage:
            for frame in footage.at([part.frame]):
                yield frame_item(frame, path, admit, content=part.whole, note=footage.note)
            if complaint := footage.complaint():
                yield FailedItem(path=path, frame=part.frame, time_s=part.time_s, error=complaint)
        return
    form = known_format(part.whole.head(), part.whole.suffix)
    if part.page is not None and form.kind == "document":
        options = replace(options, pages=str(part.page))
    items = _read(part.whole, path, reads, options, needs=None, admit=admit, first=0)
    first = part.page - 1 if part.page is not None and form.kind != "document" else 0
    yield from islice(items, first, None)


def _places(content: Places, path: str, options: Any, needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    """An item for each place, named as it was asked for; where there is nothing to see, as in sound, an empty one."""
    head, waiting = content.head(), dict.fromkeys(content.spots)
    form = known_format(head, content.suffix)
    is_film = form.kind == "video" or (moves(form.name, head) and any(one[1:] != (None, None) for one in waiting))
    if form.kind == "sound":
        yield from (EmptyItem(path=path, **spot._asdict()) for spot in waiting)
        return
    items = (_spotted if is_film else _paged)(content, path, options, needs, admit)
    for spot, item in items:
        waiting.pop(spot)
        if isinstance(item, Item):
            yield replace(item, **spot._asdict())
        elif isinstance(item, FailedItem):
            yield FailedItem(path=path, **spot._asdict(), error=item.error)
    gone = NotFound("its place is not in the file; has it changed since the table was made?")
    yield from (FailedItem(path=path, **spot._asdict(), error=gone) for spot in waiting)


def _paged(
    content: Places, path: str, options: Any, needs: Size | None, admit: Admit
) -> Iterator[tuple[Spot, AnyItem]]:  # fmt: skip
    """Pages, and pictures that stand for themselves."""
    waiting = list(content.spots)
    pages = ",".join(map(str, sorted({spot.page or 1 for spot in waiting})))
    moving = any(spot.frame is not None for spot in waiting)
    options = replace(options, pages=pages, every=None, every_frame=moving)
    for item in _read(content.whole, path, "pictures", options, needs=needs, admit=admit, first=0):
        place = item.page or 1, item.frame if moving else None
        here = [spot for spot in waiting if (spot.page or 1, spot.frame) == place]
        yield from ((spot, item) for spot in here)
        waiting = [spot for spot in waiting if spot not in here]
        if not waiting:
            return


def _spotted(
    content: Places, path: str, options: Any, _needs: Size | None, admit: Admit
) -> Iterator[tuple[Spot, AnyItem]]:
    """Frames."""
    from mediasift.media.video.footage import frame_item, open_footage

    waiting = list(content.spots)
    with open_footage(content.whole, options.viewing, alive=partial(admit, 0.0)) as footage:

        def shown(spot: Spot) -> int:
            table = footage.timetable
            if spot.frame is not None:
                return spot.frame
            if spot.time_s is None:
                return len(table.ticks) // 3
            return max(0, bisect_right(table.ticks, spot.time_s + 1e-6, key=table.seconds) - 1)

        for frame in footage.at(lambda table: sorted({n for n in map(shown, waiting) if n < len(table.ticks)})):
            here = [spot for spot in waiting if shown(spot) == frame.number]
            for spot in here:
                waiting.remove(spot)
                yield spot, frame_item(frame, path, admit, content=content.whole, note=footage.note)
        if complaint := footage.complaint():
            yield from ((spot, FailedItem(path=path, error=complaint)) for spot in waiting)


def _read(
    content: Content, path: str, reads: str, options: Any, *, needs: Size | None, admit: Admit, first: int,
    begin: bytes | None = None,
) -> Iterator[AnyItem]:  # fmt: skip
    """All items; of those before number `first`, which are not wanted, where reading them costs little."""
    begin = content.head(SMALL_BYTES) if begin is None else begin
    head = begin[:HEAD_BYTES]
    form = _format(head, content, reads)
    match reads, form.kind:
        case "pictures", "document":
            return read_pages(content, path, options, admit, first=first)
        case "pictures", "picture" if options.every is None or options.every_frame or not moves(form.name, head):
            data = begin if len(begin) < SMALL_BYTES else content.read()
            return decode(
                data, path=path, content=content, form=form, needs=needs,
                max_megapixels=options.max_megapixels, every_frame=options.every_frame, admit=admit,
                background=options.background, keep_alpha=options.keeps_alpha,
                profiles=options.color_profile == "srgb",
            )  # fmt: skip
        case "pictures" | "frames", "picture" | "video":
            return _frames(content, path, options, admit)
        case "timeline", "picture" | "video":
            from mediasift.media.timelines import read_timeline  # late, as only films need it

            return read_timeline(content, path, options, admit)
        case "sound", "sound" | "video":
            how = ("piece_s", "channel", "stream", "raw_rate")
            return read_clips(content, path, **{name: getattr(options, name) for name in how})
        case ("video", "picture" | "video") | ("files", _):
            return iter([MediaFile(path=path, content=content, alive=partial(admit, 0.0))])
    wanted = "video" if reads == "timeline" else reads
    raise Unsupported(f"a {form.kind} file ({form.name}); this command reads {wanted}")


def _format(head: bytes, content: Content, reads: str) -> Format:
    if reads != "sound":
        return sniff(head) or known_format(head, content.suffix)
    suffix = content.suffix
    if head and suffix.lower() == ".raw":
        return Format(name="raw", kind="sound")  # samples without a header look like anything
    return known_format(head, suffix, searched=("sound", "document", "video"))


def _frames(content: Content, path: str, options: Any, admit: Admit) -> Iterator[Item | FailedItem]:
    """The chosen frames of a video; a last failed item where some of them did not decode."""
    from mediasift.media.video.footage import chosen_frames, frame_item, open_footage

    every = parse_every(options.every or DEFAULT_EVERY)
    with open_footage(content, options.viewing, alive=partial(admit, 0.0)) as footage:
        for frame, shot in chosen_frames(footage, every, **options.editing):
            yield frame_item(frame, path, admit, content=content, shot=shot, note=footage.note)
        if complaint := footage.complaint():
            yield FailedItem(path=path, error=complaint)


def _given(path: str, image: Any, options: Any) -> Item:
    """A caller's array, or picture of Pillow, as an item."""
    if hasattr(image, "getbands"):
        check_size(image.width, image.height, options.max_megapixels)
        shown = from_pillow(image, background=options.background, keep_alpha=options.keeps_alpha)
        return Item(path=path, image=shown, original_size=(shown.shape[1], shown.shape[0]))
    shape = image.shape
    is_picture = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if image.dtype != np.uint8 or not is_picture or 0 in shape:
        raise UsageError(
            f"{path}: pictures are uint8 arrays of shape (H, W, 3) in RGB, (H, W, 4) in RGBA, or (H, W); found "
            f"{image.dtype} {shape}"
        )
    check_size(shape[1], shape[0], options.max_megapixels)
    if len(shape) == 2 or shape[2] == 1:
        image = eight_bit(image)
    elif shape[2] == 4 and not options.keeps_alpha:
        image = Background(options.background).lay(np.ascontiguousarray(image[:, :, :3]), image[:, :, 3])
    return Item(path=path, image=image, original_size=(shape[1], shape[0]))
