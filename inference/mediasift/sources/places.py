"""Pages, frames and moments of one file, wanted together: it is opened once, however many they are."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from mediasift.sources.content import SCHEMES, Content, content_at

_SCHEME = "places:"


class Spot(NamedTuple):
    """A place in a file, see `items.Place`; a time alone is the frame that is shown then, nothing at all a typical one.

    A page is of a document or TIFF; nothing at all is the first page there, and of a film a frame at a third of it.
    """

    page: int | None = None
    frame: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Places(Content):
    """What some places of a file hold; read, each is an item that is named by its spot.

    Attributes:
        whole: What the file holds.
        spots: The places, each once.
    """

    whole: Content
    spots: tuple[Spot, ...]

    @property
    def name(self) -> str:
        """The whole's."""
        return self.whole.name

    @property
    def address(self) -> str | None:
        """The whole's, and the places."""
        return None if self.whole.address is None else _SCHEME + json.dumps([self.spots, self.whole.address])

    def state(self) -> Any:
        """It changes when the whole does."""
        return [self.whole.state(), self.spots]

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The whole."""
        return self.whole.open()


def _places_at(address: str) -> Places:
    spots, whole = json.loads(address.removeprefix(_SCHEME))
    return Places(content_at(whole), tuple(Spot(*one) for one in spots))


SCHEMES[_SCHEME] = _places_at
