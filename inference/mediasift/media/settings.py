"""How media are read, by kind; the verbs that read a kind inherit its options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from mediasift.media.documents.pages import parse_pages
from mediasift.media.pictures.colors import check_background
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.sound.audio import PIECE_S
from mediasift.media.video.cuts import DEFAULT_DETECTOR, DETECTORS, MIN_SHOT_S
from mediasift.media.video.decoder import Viewing
from mediasift.media.video.every import parse_every, parse_s
from mediasift.settings import INPUTS, Option
from mediasift.sources.settings import ListSettings

DPI_OPTION = Option(
    "Resolution at which pages of a PDF become pictures; less where a page would be too large.", least=1, most=2400
)
EVERY_OPTION = Option(
    "Which frames of a video, and of animated pictures: every 2 seconds (2s), every 1000 frames (1000f), those the "
    "codec stored whole (iframe), or one for each shot (shot).",
    metavar="2s|1000f|iframe|shot", default="1s", check=parse_every,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LockedSettings(ListSettings, group=INPUTS):
    """Files that may be encrypted."""

    password: Annotated[str | None, Option("Opens encrypted PDFs.", secret=True, metavar="PASSWORD")] = field(
        default=None, repr=False
    )


@dataclass(frozen=True, kw_only=True)
class FilmSettings(ListSettings, group=INPUTS):
    """Whole videos."""

    max_megapixels: Annotated[float, Option("Larger pictures end as an error row.", above=0, metavar="MEGAPIXELS")] = (
        MAX_MEGAPIXELS
    )
    background: Annotated[
        str,
        Option(
            "What lies behind transparent pixels: #rrggbb, R,G,B or a name; auto is white, but black where what is "
            "seen would vanish on white.", metavar="COLOR", check=check_background,
        ),
    ] = "auto"  # fmt: skip
    detector: Annotated[
        str,
        Option(
            "What finds hard cuts: content compares neighbouring frames; adaptive also those around; combined is both.",
            choices=tuple(DETECTORS),
        ),
    ] = DEFAULT_DETECTOR
    min_shot: Annotated[
        str, Option("Shortest shot; what is shorter is a flash or one of several cuts.", metavar="0.3s", check=parse_s)
    ] = f"{MIN_SHOT_S:g}s"
    fades: Annotated[bool, Option("Whether black or white between two shots separates them, too.")] = True
    stream: Annotated[
        int | None, Option("Which video stream of a file that has several, from 1.", least=1, default="its default one")
    ] = None
    as_stored: Annotated[
        bool, Option("Frames as they are coded: no square pixels, no fields put together, HDR not mapped to sRGB.")
    ] = False

    @property
    def editing(self) -> dict[str, Any]:
        """How shots are found; see `media.video.shots.find_shots`."""
        return {"detector": self.detector, "fades": self.fades, "min_shot_s": parse_s(self.min_shot)}

    @property
    def viewing(self) -> Viewing:
        """What is wanted of a video."""
        return Viewing(
            max_megapixels=self.max_megapixels, background=self.background, stream=self.stream,
            as_stored=self.as_stored,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FrameSettings(FilmSettings, group=INPUTS):
    """Chosen frames of videos."""

    every: Annotated[str | None, EVERY_OPTION] = None


@dataclass(frozen=True, kw_only=True)
class PictureSettings(LockedSettings, FrameSettings, group=INPUTS):
    """Pictures, pages of PDFs, frames of videos."""

    every_frame: Annotated[bool, Option("All frames of animated pictures instead of the first.")] = False
    dpi: Annotated[float, DPI_OPTION] = 150.0
    pages: Annotated[str | None, Option("Only these pages of PDFs.", metavar="1-3,5", check=parse_pages)] = None
    color_profile: Annotated[
        Literal["srgb", "ignore"],
        Option(
            "Colours of pictures with a profile: brought to sRGB, or as stored, as OpenCV and plain Pillow have them."
        ),
    ] = "srgb"

    @property
    def keeps_alpha(self) -> bool:
        """Whether pictures are wanted as RGBA, on no background."""
        return False

    @property
    def text_layer(self) -> bool:
        """Whether a page of a PDF that holds its text is wanted as text."""
        return False


@dataclass(frozen=True, kw_only=True)
class PartSettings(PictureSettings, group=INPUTS):
    """Pictures, or parts of them."""

    boxes: Annotated[
        str | None,
        Option(
            "Instead of INPUT: a table of boxes that detect wrote; each box is cut out of its picture, page or frame, "
            "and its columns come along.", metavar="TABLE",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SoundSettings(ListSettings, group=INPUTS):
    """Sound, also that of videos."""

    channel: Annotated[
        int | None,
        Option("Only this channel, from 1.", least=1, default="the mean of all, or the best where they cancel"),
    ] = None
    stream: Annotated[
        int | None, Option("Which of several sound tracks, from 1.", least=1, default="the file's default")
    ] = None
    raw_rate: Annotated[
        int | None,
        Option("Samples per second of headerless 16-bit mono .raw files.", least=4000, most=192_000, metavar="HZ"),
    ] = None

    @property
    def hears_addresses(self) -> bool:
        """Whether the engine reads objects in Google's cloud where they are."""
        return False

    @property
    def piece_s(self) -> float:
        """Longest piece of sound, seconds."""
        return PIECE_S
