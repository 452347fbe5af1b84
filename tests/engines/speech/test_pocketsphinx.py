"""PocketSphinx in processes of its own: as many as may compute at a time, the same words from each, none that stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from pocketsphinx import Decoder

from mediasift.engines.engine import Resources
from mediasift.engines.speech import sphinx_process
from mediasift.engines.speech.phrases import LanguageSettings, linear16
from mediasift.engines.speech.pocketsphinx import PocketSphinx
from mediasift.errors import InferenceFailed
from mediasift.items import Clip


@pytest.fixture(scope="module")
def clips(test_data: Path) -> list[Clip]:
    """Three pieces of a speech, of different lengths."""
    with wave.open(str(test_data / "speech" / "jfk.wav")) as file:
        assert file.getframerate() == 16000
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    parts = (samples[int(first * 16000) : int(last * 16000)] for first, last in ((0, 3), (3, 5), (8, 9.5)))
    return [Clip(path="jfk.wav", start_s=0.0, waveform=part, sample_rate=16000) for part in parts]


def alone(clip: Clip) -> list[str]:
    """The words by the package itself."""
    decoder = Decoder(loglevel="FATAL", samprate=16000.0)
    decoder.start_utt()
    decoder.process_raw(linear16(clip), no_search=False, full_utt=True)
    decoder.end_utt()
    return [part.word for part in decoder.seg() if part.word[0] not in "<[+"]


def words(phrases) -> list[str]:
    return [word.text for phrase in phrases for word in phrase.words]


def test_pieces_at_a_time_in_any_order_give_the_words_of_each_alone(clips: list[Clip]):
    expected = [[word.partition("(")[0] for word in alone(clip)] for clip in clips]
    assert sum(map(len, expected)) > 6
    engine = PocketSphinx(LanguageSettings(), Resources(threads=2))
    try:
        assert engine.concurrency == 2
        with ThreadPoolExecutor(2) as pool:
            for order in ((2, 0, 1), (1, 2)):  # the second time, by processes that decoded something else
                heard = list(pool.map(engine.phrases, [clips[number] for number in order]))
                assert [words(phrases) for phrases in heard] == [expected[number] for number in order]
        mine = [one for one in psutil.Process().children() if "sphinx_process" in " ".join(one.cmdline())]
        assert 1 <= len(mine) <= 2
    finally:
        engine.close()
    assert not any(one.is_running() for one in mine)


def test_a_process_that_dies_costs_one_piece(clips: list[Clip]):
    engine = PocketSphinx(LanguageSettings(), Resources(threads=1))
    try:
        (child,) = [one for one in psutil.Process().children() if "sphinx_process" in " ".join(one.cmdline())]
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(InferenceFailed, match=r"the process of pocketsphinx ended with -9"):
            engine.phrases(clips[0])
        assert words(engine.phrases(clips[0]))
    finally:
        engine.close()


def test_the_process_ends_with_its_input():
    program = Path(sphinx_process.__file__)
    done = subprocess.run([sys.executable, "-P", program], input=b"", capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []
