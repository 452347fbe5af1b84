"""Source → items: picks the reader for what the file holds and what the task reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import ItemError, NotFound, Unsupported, UsageError
from mediasift.items import FailedItem, Item, MediaFile, Place, RemoteSound, VideoFile
from mediasift.media.pictures.images import Admit, Undecoded, admit_all, check_size, decode
from mediasift.media.video.every import DEFAULT_EVERY, parse_every
from mediasift.sources.content import Array, Content, RemoteRecording
from mediasift.sources.formats import Format, Kind, known_format
from mediasift.sources.naming import Source
from mediasift.system.optional import lazily

if TYPE_CHECKING:
    from mediasift.media import timelines
    from mediasift.media.documents import pages as documents
    from mediasift.media.sound import audio
    from mediasift.media.video import footage
else:  # most runs read one kind of file
    audio = lazily("mediasift.media.sound.audio")
    documents = lazily("mediasift.media.documents.pages")
    footage = lazily("mediasift.media.video.footage")
    timelines = lazily("mediasift.media.timelines")

AnyItem = Place
"""Every item knows where it comes from."""
Size = tuple[int, int]


def read_source(
    source: Source, reads: str, options: Any, *, needs: Size | None = None, admit: Admit = admit_all
) -> Iterator[AnyItem]:
    """The items of a source, each yielded as soon as it is decoded.

    Args:
        source: What to read.
        reads: What the task reads, see `tasks.task.Reads`.
        options: The task's settings, which hold those of what it reads, see `media.settings`.
        needs: Smallest (width, height) that pictures may be reduced to while decoding.
        admit: Called before each decode, with its megapixels.

    Raises:
        ItemError: The source as a whole cannot be read.
    """
    content = source.content
    if content is None:
        raise source.failure or NotFound("nothing to read")
    if isinstance(content, Array) and reads in ("pictures", "frames"):
        yield _from_array(source.path, content.image, options)
    elif isinstance(content, RemoteRecording) and reads == "sound":
        yield RemoteSound(path=source.path)
    else:
        form = _format(content, reads)
        reader = _READERS.get((reads, form.kind))
        if reader is None:
            wanted = "video" if reads == "timeline" else reads
            raise Unsupported(f"a {form.kind} file ({form.name}); this command reads {wanted}")
        yield from reader(content, source.path, options, needs, admit)


def _format(content: Content, reads: str) -> Format:
    head = content.head()
    if reads != "sound":
        return known_format(head, content.suffix)
    if head and content.suffix.lower() == ".raw":
        return Format(name="raw", kind="sound")  # samples without a header look like anything
    return known_format(head, content.suffix, searched=("sound", "document", "video"))


def _read_video(content: Content, path: str, options: Any, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    """The chosen frames of a video; a last failed item where some of them did not decode."""
    every = parse_every(options.every or DEFAULT_EVERY)
    opened = footage.open_footage(content, max_megapixels=options.max_megapixels, alive=lambda: admit(0.0))
    with opened as film:
        for frame, shot in footage.chosen_frames(film, every, detector=options.detector):
            width, height = frame.size
            admit(width * height / 1e6)
            try:
                image = frame.rgb()
            except ItemError as error:
                yield FailedItem(path=path, frame=frame.number, time_s=frame.time_s, error=error)
            else:
                yield Item(
                    path=path,
                    frame=frame.number,
                    time_s=frame.time_s,
                    image=image,
                    original_size=(width, height),
                    shot=shot,
                    content=content,
                )
        if complaint := film.complaint():
            yield FailedItem(path=path, error=complaint)


def _whole_video(content: Content, path: str, options: Any, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    """The video itself. Whoever decodes it says through `admit` that it goes on, as reading does."""
    yield VideoFile(
        path=path,
        content=content,
        max_megapixels=options.max_megapixels,
        detector=options.detector,
        alive=lambda: admit(0.0),
    )


def _read_timeline(content: Content, path: str, options: Any, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    yield from timelines.read_timeline(content, path, options, admit)


def _read_picture(content: Content, path: str, options: Any, needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    if options.every is not None and not options.every_frame:
        head = content.head()
        if footage.moves(known_format(head, content.suffix).name, head):
            yield from _read_video(content, path, options, needs, admit)
            return
    for decoded in decode(
        content.read(),
        suffix=content.suffix,
        needs=needs,
        max_megapixels=options.max_megapixels,
        every_frame=options.every_frame,
        admit=admit,
    ):
        place = {"page": decoded.page, "frame": decoded.frame}
        if isinstance(decoded, Undecoded):
            yield FailedItem(path=path, **place, error=decoded.error)
        else:
            yield Item(path=path, **place, image=decoded.image, original_size=decoded.original_size, content=content)


def _whole_file(content: Content, path: str, options: Any, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    yield MediaFile(path=path, content=content, password=options.password, alive=lambda: admit(0.0))


def _read_document(content: Content, path: str, options: Any, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    yield from documents.read_pages(
        content,
        path,
        dpi=options.dpi,
        pages=options.pages,
        password=options.password,
        text_layer=options.text_layer,
        max_megapixels=options.max_megapixels,
        admit=admit,
    )


def _read_sound(content: Content, path: str, options: Any, _needs: Size | None, _admit: Admit) -> Iterator[AnyItem]:
    yield from audio.read_clips(
        content, path, piece_s=options.piece_s, channel=options.channel, raw_rate=options.raw_rate
    )


def _from_array(path: str, image: NDArray[np.uint8], options: Any) -> Item:
    """A caller's array as an item.

    Raises:
        UsageError: Not uint8, or not of shape (H, W), (H, W, 1) or (H, W, 3).
    """
    shape = image.shape
    if (
        image.dtype != np.uint8
        or len(shape) not in (2, 3)
        or (len(shape) == 3 and shape[2] not in (1, 3))
        or 0 in shape
    ):
        raise UsageError(
            f"{path}: pictures are uint8 arrays of shape (H, W, 3) in RGB, or (H, W); found {image.dtype} {shape}"
        )
    check_size(shape[1], shape[0], options.max_megapixels)
    if len(shape) == 2 or shape[2] == 1:
        image = np.repeat(image.reshape(shape[0], shape[1], 1), 3, axis=2)
    return Item(path=path, image=image, original_size=(shape[1], shape[0]))


_READERS: dict[tuple[str, str], Callable[[Content, str, Any, Size | None, Admit], Iterator[AnyItem]]] = {
    ("pictures", "picture"): _read_picture,
    ("pictures", "video"): _read_video,
    ("frames", "video"): _read_video,
    ("frames", "picture"): _read_video,
    ("video", "video"): _whole_video,
    ("video", "picture"): _whole_video,
    ("timeline", "video"): _read_timeline,
    ("timeline", "picture"): _read_timeline,
    ("pictures", "document"): _read_document,
    ("sound", "sound"): _read_sound,
    ("sound", "video"): _read_sound,
    **{("files", kind): _whole_file for kind in get_args(Kind)},
}
"""(what a task reads, the kind of the file) → its reader."""
