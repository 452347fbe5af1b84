"""One table per video on one clock: shots, key frames, and what other tasks see, from one decode."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar

from mediasift.errors import ItemError, UsageError
from mediasift.items import VideoFile
from mediasift.media.settings import FrameSettings
from mediasift.media.sound.audio import read_clips
from mediasift.media.video.every import DEFAULT_EVERY, Every, chosen_numbers, parse_every
from mediasift.media.video.footage import Footage, open_footage
from mediasift.media.video.frames import Frame
from mediasift.media.video.shots import Shot, find_shots, measured
from mediasift.media.video.webvtt import webvtt
from mediasift.rows import Row
from mediasift.system.files import make_folder, path_below, write_file
from mediasift.tasks.task import EngineRunSettings, Reads, Resources, Started
from mediasift.tasks.timeline_parts import PARTS, PICTURE_TASKS, SOUND_TASKS, Look, Moment, Part, listen


@dataclass(frozen=True, kw_only=True)
class Timeline(FrameSettings, EngineRunSettings):
    """Settings.

    Attributes:
        shots: Rows for shots.
        keyframes: Rows for the frame that stands for each shot.
        parts: What looks at the chosen frames, and what listens.
        fades: Whether black between two shots parts them, too.
        vtt: Folder for a WebVTT file per video; None for none.
    """

    name: ClassVar[str] = "timeline"
    reads: ClassVar[Reads] = "video"
    row: ClassVar[type[Row]] = Moment

    shots: bool = True
    keyframes: bool = True
    parts: tuple[Part, ...] = ()
    fades: bool = True
    vtt: str | None = None

    def start(self, resources: Resources) -> StartedTimeline:
        """Start every part.

        Raises:
            SetupError: One of them cannot start, or the folder cannot be made.
        """
        if not (self.shots or self.keyframes or self.parts):
            raise UsageError(f"a timeline of nothing; choose some of {', '.join(PARTS)}")
        if self.vtt is not None:
            make_folder(self.vtt)
        started = {part.name: part.task().start(resources) for part in self.parts}
        return StartedTimeline(self, started)


class StartedTimeline(Started):
    """See `tasks.task.Started`.

    A video is one item, and it is worked on as it is decoded, in `prepare`: nothing but its moments is held. Several
    videos are decoded side by side, but only one of them at a time calls a model.
    """

    batch_size = 1
    needs = None

    def __init__(self, settings: Timeline, started: Mapping[str, Started]) -> None:
        self.settings = settings
        self.started = {name: task for name, task in started.items() if name in PICTURE_TASKS}
        self.hearing = {
            part.name: (started[part.name], part.piece_s) for part in settings.parts if part.name in SOUND_TASKS
        }
        self.facts: Mapping[str, Any] = {name: dict(task.facts) for name, task in started.items()}
        self._lock = threading.Lock()

    def prepare(self, item: VideoFile) -> list[Row]:
        """The moments of a video, by time; its WebVTT file is written."""
        look = Look(self.started, self._lock)
        with open_footage(item.content, max_megapixels=item.max_megapixels, alive=item.alive) as footage:
            shots = list(self._watched(footage, item, look))
            look.finish()
            complaint = footage.complaint()
            last = footage.timetable.time_s(len(footage.timetable.ticks) - 1)
        moments = self._ordered(shots, look.moments, self._said(item), shots[-1].end_s if shots else last)
        if complaint is not None and not moments:
            raise complaint
        if self.settings.vtt is not None:
            self._write_vtt(self.settings.vtt, item, moments)
        return [*moments, *([Moment(error=complaint.as_cell())] if complaint is not None else [])]

    def infer(self, batch: Sequence[list[Row]]) -> list[list[Row]]:
        """The rows are ready."""
        return list(batch)

    def _said(self, video: VideoFile) -> list[Moment]:
        """What is said in a video: the sound track is read by itself, as its packets lie elsewhere."""
        said: list[Moment] = []
        for name, (task, piece_s) in self.hearing.items():
            kind = SOUND_TASKS[name][1]
            clips = _with_signs_of_life(read_clips(video.content, video.path, piece_s=piece_s), video.alive)
            try:
                said += listen(task, kind, clips)
            except ItemError as error:
                said.append(Moment(kind=kind, error=error.as_cell()))
        return said

    def _watched(self, footage: Footage, video: VideoFile, look: Look) -> Iterator[Shot]:
        """Decode once: shots as they end, while the chosen frames are looked at."""
        settings, every = self.settings, parse_every(video.every or DEFAULT_EVERY)
        by_shot = bool(self.started) and every.unit == "shot"
        chosen = _chosen(footage, every) if self.started else []
        if not (settings.shots or settings.keyframes or by_shot):
            for frame in footage.iframes() if every.unit == "iframe" else footage.at(chosen):
                look.at(frame)
            return
        frames = _tapped(footage.frames(), set(chosen), look.at)
        wanted = settings.keyframes or by_shot
        without: list[int] = []
        cells = measured(frames, colours=False, keyframes=wanted)
        for shot in find_shots(cells, detector=video.detector, fades=settings.fades):
            if shot.keyframe is not None:
                self._keyframe(shot.keyframe, look, by_shot=by_shot)
            elif wanted:
                without.append(shot.middle)
            yield replace(shot, keyframe=None)
        for frame in footage.at(without):
            self._keyframe(frame, look, by_shot=by_shot)

    def _keyframe(self, frame: Frame, look: Look, *, by_shot: bool) -> None:
        if by_shot:
            look.at(frame)
        if self.settings.keyframes:
            look.keyframe(frame)

    def _ordered(
        self, shots: Sequence[Shot], seen: Sequence[Moment], said: Sequence[Moment], end_s: float
    ) -> list[Moment]:
        """All moments by time, with their ends and the shots they fall into."""
        starts = [shot.start_s for shot in shots]
        looked = sorted({moment.start_s or 0.0 for moment in seen if moment.kind != "keyframe"})
        moments = []
        if self.settings.shots:
            moments = [
                Moment(kind="shot", frame=s.first, time_s=s.start_s, start_s=s.start_s, end_s=s.end_s, label=s.begins)
                for s in shots
            ]
        for moment in seen:
            start = moment.start_s or 0.0
            after = bisect_right(looked, start)
            until = start if moment.kind == "keyframe" else looked[after] if after < len(looked) else max(end_s, start)
            moments.append(replace(moment, end_s=until))
        moments += said
        if shots:
            moments = [replace(one, shot=max(1, bisect_right(starts, one.start_s or 0.0))) for one in moments]
        order = {"shot": 0, "keyframe": 1}
        return sorted(moments, key=lambda one: (one.start_s or 0.0, order.get(str(one.kind), 2), str(one.kind)))

    def _write_vtt(self, folder: str, video: VideoFile, moments: Sequence[Moment]) -> None:
        """A cue for all moments of a kind that begin together."""
        shown = [one for one in moments if one.label is not None or one.text is not None or one.kind == "keyframe"]
        cues = []
        for (start, kind), group in groupby(shown, key=lambda one: (one.start_s or 0.0, str(one.kind))):
            together = list(group)
            said = ", ".join(_cue(moment) for moment in together)
            cues.append((start, together[0].end_s or start, f"{kind} {said}".strip()))
        source = path_below(folder, video.path)
        write_file(source.with_name(f"{source.name}.vtt"), webvtt(cues).encode("utf-8", "surrogateescape"))


def _with_signs_of_life(clips: Iterator[Any], alive: Callable[[], None]) -> Iterator[Any]:
    for clip in clips:
        alive()
        yield clip


def _cue(moment: Moment) -> str:
    if moment.kind == "shot":
        return f"{moment.shot} ({moment.label})"
    if moment.text is not None:
        return moment.text
    return "" if moment.label is None else f"{moment.label} {moment.score:.2f}"


def _chosen(footage: Footage, every: Every) -> list[int]:
    """Numbers of the frames to look at; none for a rule that knows them only while it decodes."""
    table = footage.timetable
    if every.unit == "iframe":
        return [table.number(ticks) for ticks in table.keys]
    return [] if every.unit == "shot" else chosen_numbers(every, table.ticks, table.time_base)


def _tapped(frames: Iterable[Frame], wanted: set[int], look: Callable[[Frame], None]) -> Iterator[Frame]:
    """The same frames; the wanted ones are looked at as they pass."""
    for frame in frames:
        if frame.number in wanted:
            wanted.discard(frame.number)
            look(frame)
        yield frame
