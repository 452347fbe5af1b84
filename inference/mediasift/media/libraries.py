"""OpenCV, Pillow and PyAV, each imported when one of its names is first used: most commands need one or two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasift.system.optional import lazily

if TYPE_CHECKING:
    import av
    import av.error
    import av.stream
    import av.video.reformatter
    import cv2
    import PIL
    from PIL import Image
else:
    av, cv2, PIL, Image = (lazily(name) for name in ("av", "cv2", "PIL", "PIL.Image"))

__all__ = ["PIL", "Image", "av", "cv2"]
