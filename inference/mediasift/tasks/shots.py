"""The shots of a video, and the measures of editing that film studies use."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from mediasift.items import MediaFile
from mediasift.media.settings import FilmSettings
from mediasift.media.video import shots as media_shots
from mediasift.media.video.footage import measured_cells, open_footage
from mediasift.rows import Row
from mediasift.tasks.task import Reads, RowsTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot(Row):
    """One shot. `frame` and `time_s` are those of its first frame.

    Attributes:
        shot: From 1.
        begins: With the video (`start`), a hard `cut`, or a `fade`.
        start_s, end_s: The container's clock; it ends where the next one starts.
        length_s: Between them.
        frames: How many it has.
        brightness: Mean luma, 0..1.
        colourfulness: Hasler and Süsstrunk's M3: 0 for grey, about 100 for the most colourful.
        motion: Mean change of luma from frame to frame, 0..1.
        note: Which video stream was seen, where there are several and none was asked for.
    """

    shot: int | None = None
    begins: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    length_s: float | None = None
    frames: int | None = None
    brightness: float | None = None
    colourfulness: float | None = None
    motion: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSummary(Row):
    """One video.

    Attributes:
        duration_s: From its first frame to the end of its last.
        shots: How many.
        cuts_per_minute: Borders between shots over the duration.
        mean_shot_s, median_shot_s: Length of its shots; the mean is film studies' average shot length.
        shortest_shot_s, longest_shot_s: Their extremes.
        brightness, colourfulness, motion: Means over all frames, see `Shot`.
        note: See `Shot`.
    """

    duration_s: float | None = None
    shots: int | None = None
    cuts_per_minute: float | None = None
    mean_shot_s: float | None = None
    median_shot_s: float | None = None
    shortest_shot_s: float | None = None
    longest_shot_s: float | None = None
    brightness: float | None = None
    colourfulness: float | None = None
    motion: float | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shots(FilmSettings, RowsTask):
    """Find the shots of videos: a row for each, with its length, brightness, colourfulness and motion."""

    name: ClassVar[str] = "shots"
    reads: ClassVar[Reads] = "video"
    row: ClassVar[type[Row]] = Shot

    def rows(self, item: MediaFile) -> list[Row]:
        """The rows of a video. Frames that did not decode leave an error on the last of them."""
        with open_footage(item.content, self.viewing, alive=item.alive) as footage:
            cells = measured_cells(footage)
            shots = list(media_shots.find_shots(cells, **self.editing))
            complaint, note = footage.complaint(), footage.note or None
        if complaint is not None and not shots:
            raise complaint
        rows = [replace(row, note=note) for row in self.rows_of(shots)] if shots else []
        return rows if complaint is None else [*rows, self.row(error=complaint.as_cell())]

    def rows_of(self, shots: Sequence[media_shots.Shot]) -> list[Any]:
        """The rows of a video with these shots, of which there is at least one."""
        return [
            Shot(
                frame=shot.first, time_s=shot.start_s, shot=shot.number, begins=shot.begins, start_s=shot.start_s,
                end_s=shot.end_s, length_s=round(shot.end_s - shot.start_s, 6), frames=shot.frames, **_means([shot]),
            )
            for shot in shots
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ShotsSummary(Shots):
    """A row for each video: cuts per minute, mean and median length of its shots."""

    name: ClassVar[str] = "shots-summary"
    row: ClassVar[type[Row]] = ShotSummary

    def rows_of(self, shots: Sequence[media_shots.Shot]) -> list[Any]:
        """One row."""
        return [summarised(shots)]


def summarised(shots: Sequence[media_shots.Shot]) -> ShotSummary:
    """The measures of a video with these shots, of which there is at least one."""
    lengths = [shot.end_s - shot.start_s for shot in shots]
    duration = shots[-1].end_s - shots[0].start_s
    return ShotSummary(
        duration_s=round(duration, 6),
        shots=len(shots),
        cuts_per_minute=round((len(shots) - 1) / duration * 60, 4) if duration > 0 else 0.0,
        mean_shot_s=round(statistics.fmean(lengths), 6),
        median_shot_s=round(statistics.median(lengths), 6),
        shortest_shot_s=round(min(lengths), 6),
        longest_shot_s=round(max(lengths), 6),
        **_means(shots),
    )


def _means(shots: Sequence[media_shots.Shot]) -> dict[str, Any]:
    """Brightness, colourfulness and motion over all their frames."""
    weights, digits = [shot.frames for shot in shots], {"brightness": 4, "colourfulness": 3, "motion": 5}
    return {
        name: round(float(np.average([getattr(shot, name) for shot in shots], weights=weights)), places)
        for name, places in digits.items()
    }
