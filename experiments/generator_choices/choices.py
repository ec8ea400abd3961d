"""The choices of the generator, each as the overrides of ``sovits train`` that make it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LANGUAGE_MODEL = "{models}/language_model"
LANGUAGE_CHANNELS = 96
SPEAKER_MODEL = "{models}/speaker_model"
SPEAKER_NUMBERS = 192


@dataclass(frozen=True)
class Choice:
    """One way to train the generator."""

    name: str
    """As the tables and pictures call it, and its folder."""
    overrides: tuple[str, ...] = ()
    """What differs from the defaults; ``{models}`` and ``{default}`` stand for the folders of the made models and of the default's run."""
    audio: str = "default"
    """Of the prepared set it needs."""


def _semantic(kind: str) -> tuple[str, ...]:
    source = f"model.semantic_encoder.source={LANGUAGE_MODEL}"
    return (f"semantic={kind}", source, f"model.text_encoder.semantic_channels={LANGUAGE_CHANNELS}")


CHOICES = (
    Choice("default"),
    Choice("untrained", ("training.steps=0",)),
    Choice("decoder_upsampling", ("decoder=upsampling",)),
    Choice("decoder_hifigan", ("decoder=hifigan",)),
    Choice("discriminators_multi_scale", ("discriminators=multi_scale",)),
    Choice("discriminators_spectral_norm", ("discriminators.use_spectral_norm=true",)),
    Choice("duration_stochastic", ("duration=stochastic",)),
    Choice("posterior_linear", ("posterior=linear",)),
    Choice("semantic_none", ("semantic=none",)),
    Choice("semantic_output", ("model.text_encoder.semantic_layers=[3]",)),
    Choice("semantic_every_layer", ("model.text_encoder.semantic_layers=[0,1,2]",)),
    Choice("semantic_frozen", _semantic("frozen")),
    Choice("semantic_lora", _semantic("lora")),
    Choice("semantic_full", _semantic("full")),
    Choice("speaker_table", ("speaker_encoder=table",)),
    Choice("speaker_speechbrain", ("speaker_encoder=speechbrain", f"model.speaker_encoder.source={SPEAKER_MODEL}")),
    Choice("speaker_192_numbers", ("embedding_size=192",)),
    Choice("speaker_512_numbers", ("embedding_size=512",)),
    Choice("speaker_loss_none", ("speaker_loss=none",)),
    Choice("speaker_loss_consistency", ("speaker_loss=consistency",)),
    Choice("speaker_loss_both", ("speaker_loss=both",)),
    Choice("text_characters", ("text=characters",)),
    Choice("text_bpe", ("text=bpe",)),
    Choice("audio_hop256", ("audio=hop256",)),
    Choice("audio_24k", ("audio=24k",), audio="24k"),
    Choice("audio_32k", ("audio=32k",), audio="32k"),
    Choice("accumulate_2", ("training.rounds.accumulate=2",)),
    Choice("discriminator_ratio_2", ("training.rounds.discriminator_ratio=2",)),
    Choice("discriminator_ratio_half", ("training.rounds.discriminator_ratio=0.5",)),
    Choice("reuse_real_features", ("training.reuse_real_features=true",)),
    Choice("share_discriminator_pass", ("training.share_discriminator_pass=true",)),
    Choice("mel_only", ("training.adversary_from=1000000",)),
    Choice("freeze_text_encoder", ("training.freeze=[text_encoder]",)),
    Choice("warm_start_upsampling", ("decoder=upsampling", "warm_start={default}/checkpoints/last.ckpt")),
)
"""The default comes first: the last one starts from its checkpoint."""


def make_models(folder: Path) -> None:
    """A language model and a speaker encoder in the files that published ones come in, with random weights.

    They know nothing. They show that such models load and train, not what a real one would be worth.
    """
    import torch

    torch.manual_seed(0)
    if not (folder / "language_model").is_dir():
        _make_language_model(folder / "language_model")
    if not (folder / "speaker_model").is_dir():
        _make_speaker_model(folder / "speaker_model")


def _make_language_model(folder: Path) -> None:
    """A GPT-Neo of the size of the default's own (``semantic=scratch``), with GPT-2's tokenizer."""
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    from sovits.text.gpt2 import gpt2_definition

    config = GPTNeoConfig(
        hidden_size=LANGUAGE_CHANNELS,
        intermediate_size=4 * LANGUAGE_CHANNELS,
        num_layers=2,
        num_heads=4,
        attention_types=[[["global"], 2]],
        max_position_embeddings=128,
    )
    GPTNeoForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(gpt2_definition(), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}', encoding="utf-8")


def _make_speaker_model(folder: Path) -> None:
    """A narrow ECAPA-TDNN with the recipe file of speechbrain's."""
    import torch
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    sizes = {
        "channels": [64, 64, 64, 64, 192],
        "kernel_sizes": [5, 3, 3, 3, 1],
        "dilations": [1, 2, 3, 4, 1],
        "attention_channels": 32,
        "lin_neurons": SPEAKER_NUMBERS,
    }
    folder.mkdir(parents=True)
    torch.save(ECAPA_TDNN(80, **sizes).state_dict(), folder / "embedding_model.ckpt")
    recipe = f"""
pretrained_path: nowhere
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 80
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: 80
{"".join(f"    {name}: {value}{chr(10)}" for name, value in sizes.items())}
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: {SPEAKER_NUMBERS}
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
    (folder / "hyperparams.yaml").write_text(recipe, encoding="utf-8")
