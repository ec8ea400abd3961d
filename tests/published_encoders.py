"""A speaker encoder in the layout speechbrain publishes them in, small and with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

EMBEDDING = 12
HYPERPARAMETERS = """
pretrained_path: somebody/on-the-hub
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 20
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: 20
    channels: [8, 8, 8, 8, 24]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 8
    lin_neurons: 12
    res2net_scale: 4
    se_channels: 8
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 12
    out_neurons: 2
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
"""


def write_published_encoder(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """Fills ``folder``; ``changes`` replaces stretches of ``hyperparams.yaml`` that leave the weights' shapes as they are."""
    sizes = {"channels": [8, 8, 8, 8, 24], "attention_channels": 8, "lin_neurons": EMBEDDING, "res2net_scale": 4, "se_channels": 8}
    network = ECAPA_TDNN(20, **sizes)
    for name, statistics in network.named_buffers():
        # Running statistics of a trained network are no zeros and ones.
        if name.endswith("running_mean"):
            statistics.normal_(0.0, 0.1)
        elif name.endswith("running_var"):
            statistics.uniform_(0.5, 2.0)
    torch.save(network.state_dict(), folder / "embedding_model.ckpt")
    text = HYPERPARAMETERS
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "hyperparams.yaml").write_text(text)
    return folder
