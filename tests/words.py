"""Error rates of text, by jiwer."""

from __future__ import annotations

import jiwer


def cer(reference: str, found: str) -> float:
    """Character error rate, white space made single."""
    return jiwer.cer(" ".join(reference.split()), " ".join(found.split()))


def wer(reference: str, found: str) -> float:
    """Word error rate, without case and punctuation."""
    plain = [
        " ".join("".join(c for c in text.lower() if c.isalnum() or c.isspace()).split()) for text in (reference, found)
    ]
    return jiwer.wer(*plain)
