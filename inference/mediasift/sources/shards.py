"""One of several parts of all inputs, for several machines at once; every machine lists all and keeps its own."""

from __future__ import annotations

import os
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from mediasift.errors import UsageError
from mediasift.sources.naming import Source

ARRAYS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", "0", "AWS_BATCH_JOB_ARRAY_SIZE"),
    ("SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST"),
    ("LSB_JOBINDEX", "1", "LSB_JOBINDEX_END"),
)
"""Variables in which a scheduler of array jobs (Slurm, AWS Batch, Grid Engine, LSF) gives a job its number, the first
number, and how many jobs there are; of Grid Engine and LSF the last number, which is the same for arrays from 1."""

_STEPS = ("SLURM_ARRAY_TASK_STEP", "SGE_TASK_STEPSIZE", "LSB_JOBINDEX_STEP")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `part` of `parts`, counted from 1."""

    part: int
    parts: int

    @classmethod
    def of(cls, text: str, environment: Mapping[str, str] = os.environ) -> Shard:
        """`2/7`, or `auto`: what the scheduler of an array job says.

        Raises:
            UsageError: It is neither; or there is no array job, or one whose numbers do not follow one another.
        """
        if text == "auto":
            return cls._of_array(environment)
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        part, parts = map(int, match.groups()) if match else (0, 0)
        if not 1 <= part <= parts:
            raise UsageError(f"shard {text!r}: must be I/N with I from 1 to N, e.g. 2/7, or auto in an array job")
        return cls(part, parts)

    @classmethod
    def _of_array(cls, environment: Mapping[str, str]) -> Shard:
        for index, first, count in ARRAYS:
            if not environment.get(index, "").isdecimal():
                continue
            if any(environment.get(step, "1") not in ("1", "undefined") for step in _STEPS):
                raise UsageError("shard auto: this array job counts in steps; number its jobs 1 to N, or give I/N")
            names = (environment.get(first, first), environment.get(count, ""))
            if not all(name.isdecimal() for name in names):
                break
            low, parts = map(int, names)
            if count.endswith(("LAST", "END")) and low != 1:
                raise UsageError("shard auto: the numbers of this array job begin behind 1; number them 1 to N")
            return cls.of(f"{int(environment[index]) - low + 1}/{parts}")
        raise UsageError(
            f"shard auto: none of {', '.join(index for index, _, _ in ARRAYS)} says which of how many jobs this is; "
            "give it as I/N, e.g. --shard 2/7"
        )

    def __str__(self) -> str:
        return f"{self.part}/{self.parts}"

    def holds(self, source: Source) -> bool:
        """Whether a source is in this part: its path decides alone, so that a listing that grows moves none."""
        return zlib.crc32(source.path.encode("utf-8", "surrogatepass")) % self.parts == self.part - 1


@dataclass(slots=True)
class Listing:
    """What is known of all inputs when one part of them was read: what `merge` needs to put the parts in order.

    Attributes:
        places: Where in the listing the sources of this part are, from 0.
        listed: How many sources there are in all.
    """

    shard: Shard
    places: array[int] = field(default_factory=lambda: array("q"))
    listed: int = 0
    _names: Any = field(default_factory=lambda: blake2b(digest_size=16))

    def own(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Those of this part."""
        for source in sources:
            self._names.update(repr((source.path, source.kept)).encode("utf-8", "surrogatepass"))
            if self.shard.holds(source):
                self.places.append(self.listed)
                yield source
            self.listed += 1

    def to_json(self) -> dict[str, Any]:
        """What stands in the manifest: of `places` the distances, as text."""
        gaps = (place - before for before, place in zip([-1, *self.places], self.places, strict=False))
        return {
            "part": self.shard.part, "parts": self.shard.parts, "listed": self.listed,
            "listing": self._names.hexdigest(), "places": " ".join(map(str, gaps)),
        }  # fmt: skip
