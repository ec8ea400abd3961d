"""Whose voice speech is taken for, among everybody of several sets: how often it is the speaker's own.

    python experiments/base_voice/nearest_of_all.py --set outputs/prepared/strangers outputs/prepared/base -- EVALUATION ...

Of each set every recorded speaker is known by the mean of some train clips (Resemblyzer, which conditions no model here); copies at other
speeds and generated voices are nobody. ``EVALUATION`` is a folder of `sovits evaluate`, whose syntheses and recordings are then told apart.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from sovits.audio.waveform import read_waveform
from sovits.data.manifest import Manifest
from sovits.metrics import ResemblyzerEncoder

KINDS = ("recording", "reconstruction", "synthesis")
NOBODY = re.compile(r"generated_.*|.*_x[\d.]+")


def known(roots: list[Path], encoder: ResemblyzerEncoder, clips: int) -> dict[str, np.ndarray]:
    """Unit vectors of all recorded speakers."""
    voices: dict[str, list[np.ndarray]] = defaultdict(list)
    for root in roots:
        for utterance in Manifest.load(root).utterances:
            own = voices[utterance.speaker] if not NOBODY.fullmatch(utterance.speaker) else None
            if own is not None and utterance.split == "train" and len(own) < clips:
                own.append(encoder(read_waveform(root / utterance.path, encoder.sample_rate)))
    means = {speaker: np.mean(own, axis=0) for speaker, own in voices.items() if own}
    return {speaker: mean / np.linalg.norm(mean) for speaker, mean in means.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--set", nargs="+", type=Path, required=True, dest="roots", help="prepared sets")
    parser.add_argument("--clips", type=int, default=5, help="train clips by which a speaker is known")
    parser.add_argument("evaluations", nargs="+", type=Path)
    options = parser.parse_args()
    encoder = ResemblyzerEncoder()
    voices = known(options.roots, encoder, options.clips)
    names, matrix = list(voices), np.stack(list(voices.values()))
    print(f"Among {len(names)} speakers:\n\n| evaluation | speaker | {' | '.join(KINDS)} |\n| --- | --- |{' --- |' * len(KINDS)}")
    for evaluation in options.evaluations:
        hits: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
        for folder in sorted(path for path in (evaluation / "audio").iterdir() if path.is_dir()):
            for kind in KINDS:
                for path in sorted(folder.glob(f"*_{kind}.wav")):
                    heard = encoder(read_waveform(path, encoder.sample_rate))
                    hits[folder.name][kind].append(names[int((matrix @ heard).argmax())] == folder.name)
        hits["all"] = {kind: [hit for own in list(hits.values()) for hit in own[kind]] for kind in KINDS}
        for speaker, own in hits.items():
            print(f"| {evaluation.name} | {speaker} | {' | '.join(f'{sum(own[kind])} of {len(own[kind])}' for kind in KINDS)} |")


if __name__ == "__main__":
    main()
