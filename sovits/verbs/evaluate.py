"""``sovits evaluate``: a checkpoint and held-out clips -> figures, pictures, audio and a page to listen to."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track
from torch import Tensor

from sovits.audio.spectrogram import log_compress
from sovits.audio.waveform import read_waveform, write_waveform
from sovits.data.clips import MOST_NAMED
from sovits.data.corpora.recording import some
from sovits.data.manifest import SPLITS, Manifest, Utterance
from sovits.errors import SovitsError
from sovits.metrics import Panel, Reading, Recording
from sovits.reporting.listening_page import CONFUSION, ClipSounds, write_page
from sovits.reporting.pictures import MelScale, mel_figure, save_figure
from sovits.reporting.scores import ClipScores, Scores, table, write_tables
from sovits.reporting.voice_space import confusion_figure
from sovits.voice import Voice
from sovits.voice.checkpoint import Checkpoint
from sovits.voice.torch_engine import TorchEngine

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> Path:
    """Runs ``conf/evaluate.yaml``, prints the figures and where everything is, and returns the listening page.

    Raises:
        SovitsError: a key that is missing or names what is not there, or nothing left to evaluate.
    """
    if config.checkpoint is None:
        raise SovitsError("checkpoint is not given; for example: sovits evaluate checkpoint=outputs/train/.../checkpoints/last.ckpt")
    carried = Checkpoint.read(config.checkpoint)
    root = _root(config.data.root, carried)
    every = Manifest.load(root).utterances
    chosen = _chosen(every, root, config)
    output = Path(config.output).expanduser()
    output.mkdir(parents=True, exist_ok=True)
    panel: Panel = instantiate(config.panel)
    voice = Voice.load(config.checkpoint, bank=config.bank, device=config.device)
    evaluation = Evaluation(voice, panel, root, output, every, config.references_per_speaker, config.seed, config.noise_scale)
    scores = evaluation.run(chosen)
    about = {
        "checkpoint": str(config.checkpoint),
        "generator step": carried.generator_step,
        "prepared set": str(root),
        "split": config.split,
        "noise scale": config.noise_scale,
    }
    write_tables(scores, {**about, "judges": panel.settings, "left_out": evaluation.left_out}, output)
    if scores.confusion is not None:
        save_figure(confusion_figure(scores.confusion), output / CONFUSION)
    page = write_page(output / "index.html", scores, evaluation.sounds, evaluation.pictures, about, evaluation.left_out)
    _tell(scores, evaluation.left_out, page)
    return page


def _root(given: str | None, carried: Checkpoint) -> Path:
    root = given if given is not None else carried.config.get("data", {}).get("root")
    if root is None:
        raise SovitsError(f"{carried.path} does not say which set it was trained on; give one with data.root=outputs/prepared/NAME.")
    return Path(root).expanduser()


def _chosen(every: tuple[Utterance, ...], root: Path, config: DictConfig) -> list[Utterance]:
    """The utterances to evaluate, a speaker's together."""
    if config.split not in SPLITS:
        raise SovitsError(f"split={config.split} is none of {', '.join(SPLITS)}; choose one of them.")
    known = sorted({utterance.speaker for utterance in every})
    # Hydra reads a name of digits as a number.
    wanted = known if config.speakers is None else [str(speaker) for speaker in config.speakers]
    unknown = [speaker for speaker in wanted if speaker not in known]
    if unknown:
        raise SovitsError(f"speakers={unknown}: {root} has no such speaker; it has {some(known, MOST_NAMED)}.")
    most = config.max_clips_per_speaker
    split = [utterance for utterance in every if utterance.split == config.split]
    chosen = [utterance for speaker in wanted for utterance in [u for u in split if u.speaker == speaker][:most]]
    if not chosen:
        raise SovitsError(
            f"{root} has no {config.split} utterance of {', '.join(wanted)}; choose another split, one of {', '.join(SPLITS)}."
        )
    return chosen


class Evaluation:
    """Reconstructs and synthesises held-out clips, lets a panel hear them, and keeps them.

    Args:
        voice: the model.
        panel: who listens.
        root: folder of the prepared set.
        output: where audio and pictures go.
        every: all utterances of the set.
        references_per_speaker: training clips that belong to the recordings a voice is compared with.
        seed: of the synthesis.
        noise_scale: variety of its delivery, 0 the most even.
    """

    def __init__(
        self,
        voice: Voice,
        panel: Panel,
        root: Path,
        output: Path,
        every: tuple[Utterance, ...],
        references_per_speaker: int,
        seed: int,
        noise_scale: float,
    ) -> None:
        if not isinstance(voice.engine, TorchEngine):
            raise SovitsError(
                f"What speaks on {voice.engine.device} has no posterior encoder to reconstruct recordings with; evaluate the checkpoint it "
                "was exported from."
            )
        self.engine = voice.engine
        self.voice, self.panel, self.root, self.output = voice, panel, root, output
        self.seed, self.noise_scale = seed, noise_scale
        self.training = [utterance for utterance in every if utterance.split == "train"]
        self.references_per_speaker = references_per_speaker
        self.sounds: dict[str, ClipSounds] = {}
        self.pictures: dict[str, str] = {}
        self.left_out: dict[str, str] = {}

    def run(self, utterances: list[Utterance]) -> Scores:
        """Scores every utterance that can be spoken; the others are in ``left_out`` with the reason.

        Raises:
            SovitsError: none can be.
        """
        voices = self._voices(utterances)
        self.panel.seat(list(voices))
        self.panel.enrol(recording for speaker in voices for recording in self._recordings(speaker, utterances))
        clips: list[ClipScores] = []
        warm: set[str] = set()
        for utterance in track(utterances, description="Evaluating", transient=True):
            if utterance.speaker not in voices or utterance.id in self.left_out:
                continue
            try:
                if utterance.language not in warm:
                    # The first time in a language is the slowest: dictionaries load, which is no part of the speed of speaking.
                    self.voice.speak(utterance.text, voices[utterance.speaker], language=utterance.language)
                    warm.add(utterance.language)
                clips.append(self._score(utterance, voices[utterance.speaker]))
            except SovitsError as error:
                self.left_out[utterance.id] = str(error)
        if not clips:
            raise SovitsError(
                f"None of {len(utterances)} clips of {self.root} could be evaluated; the first: {next(iter(self.left_out.values()))}"
            )
        self.panel.compute()
        return Scores(clips, self.panel.figures, self.panel.names, self.panel.confusion)

    def _voices(self, utterances: list[Utterance]) -> dict[str, np.ndarray]:
        """The model's own voice of each speaker, or one from a single clip for a speaker it was not trained on."""
        voices = {}
        for speaker in dict.fromkeys(utterance.speaker for utterance in utterances):
            try:
                voices[speaker] = self.voice.bank[speaker] if speaker in self.voice.bank else self._zero_shot(speaker)
            except SovitsError as error:
                self.left_out[speaker] = str(error)
        return voices

    def _zero_shot(self, speaker: str) -> np.ndarray:
        own = [utterance for utterance in self.training if utterance.speaker == speaker]
        if not own:
            raise SovitsError(f"The model does not know {speaker}, and {self.root} has no train clip of {speaker} to take the voice from.")
        # The longest clip tells most about a voice.
        return self.voice.embed(self._read(max(own, key=lambda utterance: utterance.duration)))

    def _recordings(self, speaker: str, utterances: list[Utterance]) -> Iterator[Recording]:
        """What voices are compared with: the speaker's clips evaluated and some of the training split; unreadable ones are left out."""
        held_out = [utterance for utterance in utterances if utterance.speaker == speaker]
        training = [utterance for utterance in self.training if utterance.speaker == speaker][: self.references_per_speaker]
        for utterance in {one.id: one for one in (*held_out, *training)}.values():
            try:
                yield Recording(utterance.id, speaker, self._read(utterance), self.voice.sample_rate)
            except SovitsError as error:
                self.left_out[utterance.id] = str(error)

    def _score(self, utterance: Utterance, voice: np.ndarray) -> ClipScores:
        rate = self.voice.sample_rate
        recording = self._read(utterance)
        reconstruction = self.voice.reconstruct(recording, voice)
        recording = recording[: len(reconstruction)]
        began = time.perf_counter()
        speech = self.voice.speak(utterance.text, voice, language=utterance.language, seed=self.seed, noise_scale=self.noise_scale)
        took = time.perf_counter() - began
        heard = Recording(utterance.id, utterance.speaker, recording, rate)
        figures = self.panel.score(Reading(heard, utterance.text, utterance.language, speech.samples, reconstruction))
        self._keep(utterance, {"recording": recording, "reconstruction": reconstruction, "synthesis": speech.samples})
        return ClipScores(
            id=utterance.id,
            speaker=utterance.speaker,
            zero_shot=utterance.speaker not in self.voice.bank,
            language=utterance.language,
            text=utterance.text,
            seconds=len(recording) / rate,
            seconds_synthesis=speech.seconds,
            real_time_factor=took / speech.seconds,
            figures=figures,
        )

    def _keep(self, utterance: Utterance, sounds: dict[str, np.ndarray]) -> None:
        """Writes the clip's audio, and the picture of the speaker's first clip."""
        speaker, name = (re.sub(r"[^\w.-]+", "_", part) for part in (utterance.speaker, utterance.id.removeprefix(f"{utterance.speaker}/")))
        paths = {kind: f"audio/{speaker}/{name}_{kind}.wav" for kind in sounds}
        for kind, samples in sounds.items():
            write_waveform(self.output / paths[kind], samples, self.voice.sample_rate)
        self.sounds[utterance.id] = ClipSounds(**paths)
        if utterance.speaker not in self.pictures:
            headings = {"recording": "recording", "reconstruction": "reconstruction", "synthesis": "from text"}
            figure = mel_figure(
                {headings[kind]: self._log_mel(samples) for kind, samples in sounds.items()},
                MelScale.of(self.engine.mel_spectrogram),
                f"{utterance.speaker}: {utterance.text}",
            )
            self.pictures[utterance.speaker] = f"pictures/{speaker}.png"
            save_figure(figure, self.output / self.pictures[utterance.speaker])

    def _read(self, utterance: Utterance) -> np.ndarray:
        return read_waveform(self.root / utterance.path, self.voice.sample_rate)

    def _log_mel(self, samples: np.ndarray) -> Tensor:
        """[T_samples] -> [n_mels, T_frames]."""
        waveform = torch.from_numpy(samples).to(self.engine.device).unsqueeze(0)
        return log_compress(self.engine.mel_spectrogram(waveform))[0].cpu()


def _tell(scores: Scores, left_out: dict[str, str], page: Path) -> None:
    console = Console()
    # A log file has no width of its own; the default would fold every column.
    (console if console.is_terminal else Console(width=170)).print(table(scores))
    for what, reason in left_out.items():
        log.warning("Left out %s: %s", what, reason)
    folder = page.parent
    log.info("Listen:   open %s in a browser (recording, reconstruction and synthesis side by side)", page)
    log.info("Figures:  %s, speakers.csv, summary.json", folder / "metrics.csv")
    log.info("Pictures: %s", folder / "pictures")
    log.info("Audio:    %s", folder / "audio")
