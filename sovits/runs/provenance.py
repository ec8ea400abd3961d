"""What a run was made from: the code, the packages, the machine and the data."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from sovits import __version__
from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import SPLITS

PACKAGES = (
    "torch", "torchaudio", "torchmetrics", "lightning", "numpy", "scipy", "soundfile", "transformers", "tokenizers", "peft", "hydra-core",
    "omegaconf", "speechbrain", "resemblyzer", "speechmos", "onnxruntime", "openai-whisper", "pocketsphinx", "pesq", "pystoi", "jiwer",
    "phonemizer-fork", "espeakng-loader", "pypinyin", "jieba", "wetext",
)  # fmt: skip
"""What weights or figures depend on, where it is installed."""


def commit(root: Path | None = None) -> str | None:
    """The git commit of the code, with ``+`` behind it where the code or its configurations were changed since.

    Args:
        root: the top of the checkout; ``None``: where this package lies.

    Returns:
        ``None`` outside a checkout, as for an installed wheel, and where git is not installed or refuses.
    """
    root = Path(__file__).parents[2] if root is None else root
    # An environment inside somebody's project must not pass for a checkout of this one.
    if not (root / ".git").exists() or not (root / "sovits").is_dir():
        return None
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", "sovits", "conf")
    return None if head is None or changed is None else head + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    # A hook's variables would point git at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        told = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()


def versions() -> dict[str, str]:
    """Of Python, ``sovits`` and the installed ones of ``PACKAGES``; ``sovits source`` tells two states of one version apart."""
    found = {"python": platform.python_version(), "sovits": __version__, "sovits source": source_hash(Path(__file__).parents[1])}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def source_hash(package: Path) -> str:
    """The first digits of a SHA-256 over the modules in the folder ``package``, with or without git."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def hardware() -> dict[str, Any]:
    """``cpu``, ``cores``, ``threads`` (of torch), ``gpus``, ``cuda`` and ``memory_gib``."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "memory_gib": round(pages / 2**30, 1),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def data_told(data: SpeechDataModule) -> dict[str, Any]:
    """Which data a run learns from and is judged on.

    Returns:
        ``root``, absolute; ``fingerprint``; ``clips`` and ``seconds`` to train on, of each speaker.
    """
    chosen = data.utterances("train")
    clips, seconds = dict.fromkeys(data.speakers, 0), dict.fromkeys(data.speakers, 0.0)
    for utterance in chosen:
        clips[utterance.speaker] += 1
        seconds[utterance.speaker] += utterance.duration
    return {
        "root": str(data.root.resolve()),
        "fingerprint": fingerprint(data),
        "clips": clips,
        "seconds": {speaker: round(length, 2) for speaker, length in seconds.items()},
    }


def fingerprint(data: SpeechDataModule) -> str:
    """SHA-256 over the clips of every split as they were chosen, in their order; the same wherever the set lies."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for utterance in data.utterances(split):
            told = [split, utterance.id, utterance.speaker, utterance.language, utterance.text, utterance.content_hash]
            digest.update(json.dumps(told, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()
