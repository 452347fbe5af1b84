"""What headers say of a file of any kind: size, colour model, pages, duration, when and where it was taken.

No pixel and no sound is decoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from mediasift.errors import Damaged, ItemError
from mediasift.media.containers import picture_streams, probe_container, reason, sound_streams
from mediasift.media.documents.pages import page_sizes
from mediasift.media.libraries import av
from mediasift.media.pictures.exif import exif_facts, first_exif, moment
from mediasift.media.pictures.headers import opened, pillow_reads
from mediasift.media.pictures.png import described_png
from mediasift.media.pictures.probe import read_header
from mediasift.media.pictures.tiff import page_headers
from mediasift.media.pictures.vector_graphics import drawing_size
from mediasift.media.video.facts import film_facts
from mediasift.rows import Row
from mediasift.sources.content import Content
from mediasift.sources.formats import Format, known_format


@dataclass(frozen=True, slots=True, kw_only=True)
class Info(Row):
    """One picture, page, video or sound.

    Attributes:
        kind: picture, document, video or sound.
        format: By the content, whatever the suffix says.
        width, height: As it is seen: upright, in square pixels; of a PDF page, in points of 1/72 inch.
        color_model: Pillow's name of the mode (RGB, L, CMYK, P ...), or a video's pixel format.
        pages: Of a document or a TIFF.
        duration_s: Of a video or sound, by its container; of one whose clock starts again, from its packets.
        fps: Frames per second on average.
        sizes: All sizes of a video that changes its own, in order.
        pixel_aspect: Width to height of a video's pixels as they are stored, e.g. 64:45.
        interlaced: Whether a video's frames are stored as two fields each.
        transfer: Of a video, from numbers to light: pq and hlg are high dynamic range; None where it does not say.
        video_streams, sound_streams: How many a file has; the default ones are read, others with --stream.
        sample_rate_hz, channels: Of a sound, or a video's.
        captured: When it was taken, ISO 8601, in the camera's own time, with its offset where it is known.
        latitude, longitude: Where, in degrees, north and east positive.
        bytes, sha256: Of the file.
        mean_color, dominant_colors, brightness, contrast, saturation, colourfulness, sharpness: Of a picture, where
            colours were asked for: see `pictures.style.Style`.
        pitch_hz, pitch_low_hz, pitch_high_hz: Of a sound, where its voice was asked for: median, 5th and 95th
            percentile.
        voiced: Share of its time with a pitch, 0..1.
        loudness_db: Without pauses, in dB relative to full scale.
        pauses, pauses_s: How many of 0.3 s or more, and how long all of them are.
    """

    kind: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    color_model: str | None = None
    pages: int | None = None
    duration_s: float | None = None
    fps: float | None = None
    sizes: str | None = None
    pixel_aspect: str | None = None
    interlaced: bool | None = None
    transfer: str | None = None
    video_streams: int | None = None
    sound_streams: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    captured: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    bytes: int | None = None
    sha256: str | None = None
    mean_color: str | None = None
    dominant_colors: str | None = None
    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    colourfulness: float | None = None
    sharpness: float | None = None
    pitch_hz: float | None = None
    pitch_low_hz: float | None = None
    pitch_high_hz: float | None = None
    voiced: float | None = None
    loudness_db: float | None = None
    pauses: int | None = None
    pauses_s: float | None = None


def information(
    content: Content, alive: Callable[[], None] = lambda: None, *, password: str | None = None
) -> Iterator[Info]:
    """What the headers say: one for a picture, video or sound, one for each page.

    Args:
        content: Any of them. Of videos and sounds, only pieces are taken into memory.
        alive: Called now and then while it is read.
        password: For an encrypted PDF.

    Raises:
        ItemError: It cannot be read, or is damaged so far that its header says nothing.
    """
    form = known_format(content.head(), content.suffix)
    data = content.read() if form.kind == "picture" else b""
    size, sha256 = (len(data), hashlib.sha256(data).hexdigest()) if data else content.sha256(alive)
    start = Info(kind=form.kind, format=form.name, bytes=size, sha256=sha256)
    if form.kind == "picture":
        yield from _picture(data, form, start)
    elif form.kind == "document":
        for page, (pages, width, height) in enumerate(page_sizes(content, password), start=1):
            yield replace(start, width=round(width), height=round(height), page=page, pages=pages)
    else:
        yield _stream(content, start, alive)


def _picture(data: bytes, form: Format, start: Info) -> Iterator[Info]:
    if form.name == "svg":
        width, height = drawing_size(data)
        yield replace(start, width=width, height=height)
        return
    header = read_header(data, form.name)
    if len(header.pages) > 1:
        for page, one in enumerate(page_headers(data, header.pages), start=1):
            width, height = one.upright_size
            mode = _mode(data, form.name, header.pages[page - 1])
            yield replace(start, width=width, height=height, color_model=mode, page=page, pages=len(header.pages))
        return
    mode = header.mode if form.name in ("jpeg", "webp") else _mode(data, form.name, header.pages[0])
    width, height = header.upright_size
    facts = exif_facts(first_exif(data, form.name, header))
    yield replace(start, width=width, height=height, color_model=mode or header.mode or None, **facts)


def _mode(data: bytes, name: str, page: int) -> str | None:
    """Pillow's name of the colour model; None where it does not read such a file."""
    if pillow_reads(name):
        with suppress(ItemError), opened(described_png(data) if name == "png" else data, name) as picture:
            if page:
                picture.seek(page)
            return picture.mode
    return None


def _stream(content: Content, start: Info, alive: Callable[[], None]) -> Info:
    """A video or sound, as its container describes it."""
    try:
        with content.local() as file, probe_container(file) as container:
            duration = container.duration / av.time_base if container.duration else None
            video, sounds = next(iter(picture_streams(container)), None), sound_streams(container)
            if video is None and not sounds:
                raise Damaged(f"{start.format} without a picture or sound track")
            heard = sounds[0].codec_context if sounds else None
            info = replace(
                start,
                kind="sound" if video is None else "video",
                duration_s=None if duration is None else round(duration, 3),
                sample_rate_hz=getattr(heard, "sample_rate", None),
                channels=getattr(heard, "channels", None),
                sound_streams=len(sounds),
                captured=moment(container.metadata.get("creation_time"), None),
            )
            has_pictures = video is not None and video.codec_context is not None
            return replace(info, **film_facts(container, video, alive=alive)) if has_pictures else info
    except av.FFmpegError as error:
        raise Damaged(f"{start.format} cannot be read ({reason(error)})") from error
