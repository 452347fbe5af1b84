"""A process with one decoder of PocketSphinx, which computes on one core and lets no other thread of its process run.

Started by `pocketsphinx`, as a file, so that nothing else of mediasift is imported. It says `[]` when it is ready. On
standard input come pieces of sound, 16-bit samples at 16 kHz behind their length in bytes (four bytes, big-endian); for
each it answers a line of JSON: `[[word, first frame, last frame, probability], ...]`. It ends with its input.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Serve one process."""
    import pocketsphinx

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # no library can write between our lines
    decoder = pocketsphinx.Decoder(loglevel="FATAL", samprate=16000.0)
    cmn = decoder.get_cmn(False)
    words: list[object] = []
    while True:
        answers.write(json.dumps(words).encode() + b"\n")
        answers.flush()
        length = sys.stdin.buffer.read(4)
        if len(length) < 4:
            return
        sound = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        decoder.reinit_feat()
        decoder.set_cmn(cmn)  # what came before does not change it
        decoder.start_utt()
        decoder.process_raw(sound, no_search=False, full_utt=True)
        decoder.end_utt()
        words = [[part.word, part.start_frame, part.end_frame, float(part.prob)] for part in decoder.seg() or ()]


if __name__ == "__main__":
    main()
