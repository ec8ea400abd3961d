"""Writes down what English recordings say, with the recogniser inside pocketsphinx' wheel: nothing is fetched, one word in four is wrong.

That is enough for a text to pull at the latents of a voice that nobody wrote down: a word heard wrong sounds like the right one.
``python experiments/base_voice/dictation.py --speech DIR`` measures how often, on recordings of a collection whose texts are known.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile
from rich.progress import track

from sovits.audio.waveform import read_waveform

RATE = 16000
"""Hz that the recogniser hears."""


@cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=RATE, loglevel="FATAL")


def dictate(path: Path) -> str:
    """The words of an English recording, in small letters; none where nothing is heard."""
    samples = read_waveform(path, RATE)
    decoder = _decoder()
    # What the decoder learned of the last recording's loudness would make the text depend on the order.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    heard = decoder.hyp()
    return heard.hypstr if heard is not None else ""


def dictate_all(paths: Sequence[Path]) -> list[str]:
    """:func:`dictate` of each, on all cores: a fifth of the recordings' time on each."""
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        return list(track(pool.imap(dictate, paths), "Writing down what nobody told", total=len(paths)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--speech", type=Path, required=True, help="folder of the speech collection")
    parser.add_argument("--every", type=int, default=5, help="recording of LibriSpeech that is written down")
    options = parser.parse_args()
    with (options.speech / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["corpus"] == "librispeech"][:: options.every]
    paths = [options.speech / row["path"] for row in rows]
    seconds = sum(soundfile.info(path).duration for path in paths)
    texts, heard = [row["text"].lower() for row in rows], dictate_all(paths)
    words, letters = jiwer.wer(texts, heard), jiwer.cer(texts, heard)
    print(f"{len(rows)} recordings, {seconds:.0f} s: {words:.1%} of the words are wrong, {letters:.1%} of the letters")


if __name__ == "__main__":
    main()
