"""The speakers of a set as the choices of a multirun."""

from __future__ import annotations

from omegaconf import OmegaConf

from sovits.data.manifest import Manifest
from sovits.overrides import as_choices


def register_speakers_of() -> None:
    """Lets a configuration say ``${speakers_of:${data.root}}``, which ``conf/sweep/speakers.yaml`` does: ``a,b,c``.

    Where it is read, a folder without a prepared set is a ``SovitsError``.
    """
    OmegaConf.register_new_resolver("speakers_of", lambda root: as_choices(Manifest.load(root).speakers), replace=True)
