"""The voice that the package brings along, by the name ``base``."""

from __future__ import annotations

from pathlib import Path

from sovits.errors import SovitsError

BASE = "base"
FOLDER = Path(__file__).parents[1] / "base_voice"
"""A folder of `sovits export format=[trainable]`, with the model card."""


def located(path: Path | str) -> Path:
    """``path``, or where the package keeps its base voice if that is ``base``; a file of your own with that name has a longer path.

    Raises:
        SovitsError: this installation has no base voice.
    """
    if str(path) != BASE:
        return Path(path)
    if not (FOLDER / "export.json").is_file():
        raise SovitsError(f"This installation of sovits has no base voice at {FOLDER}; install it again, or give a checkpoint of your own.")
    return FOLDER
