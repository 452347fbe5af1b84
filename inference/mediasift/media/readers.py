"""Source → items: picks the reader for what the file holds and what the task reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import EmptyFile, ItemError, Unsupported, UsageError
from mediasift.items import FailedItem, Item, MediaFile, Place, RemoteSound, VideoFile
from mediasift.media.pictures.images import MAX_MEGAPIXELS, Admit, Undecoded, admit_all, check_size, decode
from mediasift.media.video.cuts import DETECTORS
from mediasift.media.video.every import DEFAULT_EVERY, parse_every
from mediasift.sources.content import read_bytes, read_head
from mediasift.sources.formats import Format, Kind, sniff
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

DPI = 150.0
"""Dots per inch at which pages become pictures, unless asked otherwise; OCR asks for 300."""

AnyItem = Place
"""Every item knows where it comes from."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How sources are read, whatever the task; JSON values.

    Attributes:
        max_megapixels: Largest picture that is decoded.
        every_frame: All frames of animated pictures instead of the first.
        every: Which frames of a video, and of animated pictures, see `media.every`; None: one a second of a video,
            the first of an animated picture.
        detector: What finds the cuts for `every` shot, see `media.cuts.DETECTORS`.
        dpi: Resolution at which pages of a PDF become pictures.
        pages: Which pages of a PDF, e.g. `1-3,5`; None for all.
        password: For encrypted PDFs.
        piece_s: Longest piece of sound.
        channel: Of the sound, from 1; None mixes all.
        raw_rate: Samples per second of headerless `.raw` sound files.
        text_layer: Yield a page of a PDF that has a text layer as text, for tasks that want it.
    """

    max_megapixels: float = MAX_MEGAPIXELS
    every_frame: bool = False
    every: str | None = None
    detector: str = "content"

    dpi: float = DPI
    pages: str | None = None
    password: str | None = field(default=None, repr=False)
    text_layer: bool = False
    piece_s: float = field(default_factory=lambda: audio.PIECE_S)
    channel: int | None = None
    raw_rate: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None:
            parse_every(self.every)
        if self.detector not in DETECTORS:
            raise UsageError(f"detector {self.detector!r}: must be one of {', '.join(DETECTORS)}")

    def told(self) -> dict[str, Any]:
        """What manifest and journal may say of it: everything but the password."""
        return {name: value for name, value in asdict(self).items() if name != "password"}


def read_source(
    source: Source, reads: str, options: Any, *, needs: Size | None = None, admit: Admit = admit_all
) -> Iterator[AnyItem]:
    """The items of a source, each yielded as soon as it is decoded.

    Args:
        source: What to read.
        reads: What the task reads, see `tasks.task.Reads`.
        options: Limits and choices.
        needs: Smallest (width, height) that pictures may be reduced to while decoding.
        admit: Called before each decode, with its megapixels.

    Raises:
        ItemError: The source as a whole cannot be read.
    """
    if source.image is not None:
        yield _from_array(source.path, source.image, options)
    elif source.file is not None:
        head = read_head(source.file)
        if not head:
            raise EmptyFile("the file is empty (0 bytes)")
        found = sniff(head, source.file.suffix)
        if reads == "sound" and source.file.suffix.lower() == ".raw":
            found = Format(name="raw", kind="sound")  # samples without a header look like anything
        reader = _READERS.get((reads, found.kind if found else "picture"))
        if reader is None:
            what = "an unknown kind of file" if found is None else f"a {found.kind} file ({found.name})"
            raise Unsupported(f"{what}; this command reads {'video' if reads == 'timeline' else reads}")
        yield from reader(source, options, needs, admit)
    elif source.failure is not None:
        raise source.failure
    elif reads == "sound":
        yield RemoteSound(path=source.path)
    else:
        raise Unsupported(f"an address of remote sound; this command reads {reads}")


def _read_video(source: Source, options: ReadOptions, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    """The chosen frames of a video; a last failed item where some of them did not decode."""
    if source.file is None:
        return
    every = parse_every(options.every or DEFAULT_EVERY)
    opened = footage.open_footage(source.file, max_megapixels=options.max_megapixels, alive=lambda: admit(0.0))
    with opened as film:
        for frame, shot in footage.chosen_frames(film, every, detector=options.detector):
            width, height = frame.size
            admit(width * height / 1e6)
            try:
                image = frame.rgb()
            except ItemError as error:
                yield FailedItem(path=source.path, frame=frame.number, time_s=frame.time_s, error=error)
            else:
                yield Item(
                    path=source.path,
                    frame=frame.number,
                    time_s=frame.time_s,
                    image=image,
                    original_size=(width, height),
                    shot=shot,
                    file=source.file,
                )
        if complaint := film.complaint():
            yield FailedItem(path=source.path, error=complaint)


def _whole_video(source: Source, options: ReadOptions, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    """The video itself. Whoever decodes it says through `admit` that it goes on, as reading does."""
    if source.file is not None:
        yield VideoFile(
            path=source.path,
            file=source.file,
            max_megapixels=options.max_megapixels,
            detector=options.detector,
            alive=lambda: admit(0.0),
        )


def _read_timeline(source: Source, options: Any, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    if source.file is not None:
        yield from timelines.read_timeline(source.file, source.path, options, admit)


def _read_picture(source: Source, options: ReadOptions, needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    if source.file is None:
        return
    if options.every is not None and not options.every_frame:
        head = read_head(source.file)
        found = sniff(head, source.file.suffix)
        if found is not None and footage.moves(found.name, head):
            yield from _read_video(source, options, needs, admit)
            return
    for decoded in decode(
        read_bytes(source.file),
        suffix=source.file.suffix,
        needs=needs,
        max_megapixels=options.max_megapixels,
        every_frame=options.every_frame,
        admit=admit,
    ):
        place = {"page": decoded.page, "frame": decoded.frame}
        if isinstance(decoded, Undecoded):
            yield FailedItem(path=source.path, **place, error=decoded.error)
        else:
            yield Item(
                path=source.path,
                **place,
                image=decoded.image,
                original_size=decoded.original_size,
                file=source.file,
            )


def _whole_file(source: Source, _options: ReadOptions, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    if source.file is not None:
        yield MediaFile(path=source.path, file=source.file, alive=lambda: admit(0.0))


def _read_document(source: Source, options: ReadOptions, _needs: Size | None, admit: Admit) -> Iterator[AnyItem]:
    if source.file is None:
        return
    for item in documents.read_pages(
        source.file,
        source.path,
        dpi=options.dpi,
        pages=options.pages,
        password=options.password,
        text_layer=options.text_layer,
        max_megapixels=options.max_megapixels,
        admit=admit,
    ):
        yield replace(item, file=source.file) if isinstance(item, Item) else item


def _read_sound(source: Source, options: ReadOptions, _needs: Size | None, _admit: Admit) -> Iterator[AnyItem]:
    if source.file is not None:
        yield from audio.read_clips(
            source.file, source.path, piece_s=options.piece_s, channel=options.channel, raw_rate=options.raw_rate
        )


def _from_array(path: str, image: NDArray[np.uint8], options: ReadOptions) -> Item:
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


_READERS: dict[tuple[str, str], Callable[[Source, ReadOptions, Size | None, Admit], Iterator[AnyItem]]] = {
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
