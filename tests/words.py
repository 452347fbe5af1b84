"""Error rates of text, by jiwer."""

from __future__ import annotations

import jiwer


def cer(reference: str, text: str) -> float:
    """Character error rate, white space made single."""
    return jiwer.cer(" ".join(reference.split()), " ".join(text.split()))


def wer(reference: str, read: str) -> float:
    """Word error rate, without case and punctuation."""
    plain = [
        " ".join("".join(c for c in text.lower() if c.isalnum() or c.isspace()).split()) for text in (reference, read)
    ]
    return jiwer.wer(*plain)
