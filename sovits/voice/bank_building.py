"""The voice bank of a prepared set: each speaker's kept clips as one vector, made anew when they or the encoder change."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sovits.data.manifest import Utterance
from sovits.data.preparation.content_cache import content_key
from sovits.data.quality.voices import mean_voice
from sovits.voice.speaker_bank import SpeakerBank

FOLDER = "speakers"


def build_bank(
    root: Path, utterances: Sequence[Utterance], voices: Mapping[str, np.ndarray], encoder: dict[str, Any], *, robust: bool
) -> int:
    """Brings ``root/speakers`` up to date: ``<speaker>.npy``, float32 [E] of norm 1, and what it was made of in ``<speaker>.json``.

    Args:
        root: the prepared set's folder.
        utterances: the kept clips.
        voices: unit vectors [E] by content hash.
        encoder: settings of the encoder that made them.
        robust: whether a clip unlike the speaker's others counts less, instead of all alike.

    Returns:
        How many voices were made; the others were right already.
    """
    own: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        own[utterance.speaker].append(utterance)
    folder = root / FOLDER
    made = {}
    for speaker, clips in own.items():
        contents = sorted(utterance.content_hash for utterance in clips)
        about = {
            "speaker": speaker,
            "clips": len(clips),
            "seconds": round(sum(utterance.duration for utterance in clips), 2),
            "encoder": encoder,
            "robust": robust,
            "made_of": content_key(contents, encoder, robust),
        }
        if not (folder / f"{speaker}.npy").is_file() or _about(folder / f"{speaker}.json") != about:
            mean = mean_voice(np.stack([voices[content] for content in contents]), robust=robust)
            made[speaker] = mean, about
    # The description goes first and comes last: a killed run never leaves one beside a voice that it does not describe.
    for path in folder.glob("*.json"):
        if path.stem not in own or path.stem in made:
            path.unlink()
            if path.stem not in own:
                path.with_suffix(".npy").unlink(missing_ok=True)
    if made:
        SpeakerBank.from_embeddings({speaker: voice for speaker, (voice, _) in made.items()}).save(folder)
    for speaker, (_, about) in made.items():
        (folder / f"{speaker}.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return len(made)


def _about(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
