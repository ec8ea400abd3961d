"""A trained model that speaks: text and a speaker in, a waveform out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sovits.audio.spectrogram import LinearSpectrogram, MelSpectrogram, log_compress
from sovits.audio.waveform import normalize_loudness, read_waveform
from sovits.errors import SovitsError
from sovits.modules import Synthesizer
from sovits.modules.streaming import decode_in_chunks
from sovits.text.encoding import EncodedText, TextBatch
from sovits.text.sentences import split_sentences
from sovits.voice.checkpoint import Checkpoint
from sovits.voice.request import Request
from sovits.voice.speaker_bank import SpeakerBank
from sovits.voice.speech import Speech

SHORTEST_REFERENCE = 1.0
"""Seconds of a clip that can tell a voice."""
REFERENCE_LUFS = -23.0
"""Loudness of a reference clip: what `sovits prepare` brings training clips to."""
SILENCE = 1e-4
"""Peak below which a clip is silent."""
FIRST_CHUNK, LONGEST_CHUNK = 0.25, 2.0
"""Seconds that are decoded at a time where speech is streamed."""


class Voice:
    """A synthesizer in evaluation mode with the text front end it was trained with and the voices it knows.

    Requests don't touch one another: each brings its seed and its speaker, and nothing here changes but by ``add_speaker``.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        front_end: Callable[[str, str | None], EncodedText],
        mel_spectrogram: MelSpectrogram,
        posterior_spectrogram: MelSpectrogram | LinearSpectrogram,
        bank: SpeakerBank,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """
        Raises:
            SovitsError: voices of another size than the model's.
        """
        self.synthesizer = synthesizer.to(device).eval()
        self.front_end = front_end
        self.mel_spectrogram = mel_spectrogram.to(device)
        self.posterior_spectrogram = posterior_spectrogram.to(device)
        self.bank = bank
        self.device = torch.device(device)
        self.embedding_size = synthesizer.embedding_size
        if bank.embedding_size not in (None, self.embedding_size):
            raise SovitsError(
                f"The voices in the bank have {bank.embedding_size} numbers and the model wants {self.embedding_size} "
                "(embedding_size); use the bank of the same training run."
            )

    @classmethod
    def load(cls, checkpoint: Path | str, *, bank: Path | str | None = None, device: str = "cpu") -> Voice:
        """Rebuilds all of it from a checkpoint of `sovits train`.

        Args:
            checkpoint: a ``.ckpt`` file.
            bank: folder of ``.npy`` voices in place of those in the checkpoint.
            device: such as ``cpu`` or ``cuda:0``.

        Raises:
            SovitsError: an unusable checkpoint or bank, or a device that is not there.
        """
        _check_device(device)
        carried = Checkpoint.read(checkpoint)
        synthesizer = carried.build("model")
        carried.fill(synthesizer)
        voices = SpeakerBank.from_embeddings(carried.speaker_bank) if bank is None else SpeakerBank.load(bank)
        spectrograms = carried.build("mel_spectrogram"), carried.build("posterior_spectrogram")
        return cls(synthesizer, carried.build("text"), *spectrograms, voices, device=device)

    @property
    def speakers(self) -> list[str]:
        """Everyone it can speak as, sorted."""
        return self.bank.names

    @property
    def sample_rate(self) -> int:
        """Hz of what it speaks and reads."""
        return self.mel_spectrogram.sample_rate

    def speak(
        self,
        text: str,
        speaker: str | Tensor,
        *,
        language: str | None = None,
        seed: int = 0,
        noise_scale: float = 0.667,
        duration_noise_scale: float = 0.8,
        speed: float = 1.0,
    ) -> Speech:
        """Says ``text`` as one sentence; the arguments are those of :class:`Request`.

        Raises:
            SovitsError: an unknown speaker, a text that can't be read, or a value out of range.
        """
        return self.speak_all([Request(text, speaker, language, seed, noise_scale, duration_noise_scale, speed)])[0]

    @torch.inference_mode()
    def speak_all(self, requests: Sequence[Request]) -> list[Speech]:
        """Says each text as one sentence, all at once: a request sounds as it does alone, but for rounding.

        Raises:
            SovitsError: as ``speak``.
        """
        texts = [self.front_end(request.text, request.language) for request in requests]
        synthesis = self.synthesizer.synthesize(*self._asked(texts, requests), **self._delivery(requests))
        audio, durations = synthesis.audio[:, 0].float().cpu().numpy(), synthesis.durations.cpu().numpy()
        spoken = zip(requests, texts, audio, synthesis.sample_lengths.tolist(), durations, strict=True)
        return [
            Speech(samples[:length].copy(), self.sample_rate, text, frames[: len(text.phones)].copy(), request.text)
            for request, text, samples, length, frames in spoken
        ]

    def read(self, request: Request) -> Iterator[Speech]:
        """Says a text of any length sentence by sentence, each as soon as it is spoken; ``Passage`` puts them together.

        Raises:
            SovitsError: as ``speak``, before the first sentence is spoken.
        """
        sentences = self.sentences(request)
        return (self.speak_all([sentence])[0] for sentence in sentences)

    def stream(self, request: Request, pause: float = 0.0) -> Iterator[np.ndarray]:
        """The samples of a text of any length piece by piece: the first sound before the sentence is made.

        Together they are the samples of ``read``, but for rounding, with ``pause`` seconds of silence between sentences.

        Yields:
            float32 [n], a quarter of a second of speech and then more and more.

        Raises:
            SovitsError: as ``speak``, before the first sentence is spoken.
        """
        silence = [np.zeros(round(pause * self.sample_rate), dtype=np.float32)] if pause else []
        streams: list[Iterable[np.ndarray]] = []
        for sentence in self.sentences(request):
            streams += [silence, self.stream_sentence(sentence)]
        return itertools.chain(*streams[1:])

    @torch.inference_mode()
    def stream_sentence(self, request: Request) -> Iterator[np.ndarray]:
        """``stream`` of a text that is said as one sentence, as ``speak`` says it."""
        frame = self.synthesizer.hop_length / self.sample_rate
        first, longest = max(1, round(FIRST_CHUNK / frame)), max(1, round(LONGEST_CHUNK / frame))
        text, voice = self._asked([self.front_end(request.text, request.language)], [request])
        drawn = self.synthesizer.draw(text, voice, **self._delivery([request]))
        for audio in decode_in_chunks(self.synthesizer.decoder, drawn.latent, voice, first, longest):
            yield audio[0, 0].float().cpu().numpy()

    def sentences(self, request: Request) -> list[Request]:
        """A request for each sentence of its text.

        Raises:
            SovitsError: a sentence that can't be read, or an unknown speaker.
        """
        self._voice(request.speaker)
        # A text without a word has no sentences; the front end says what is wrong with it.
        texts = split_sentences(request.text) or [request.text]
        for text in texts:
            self.front_end(text, request.language)
        return [replace(request, text=text) for text in texts]

    def _asked(self, texts: Sequence[EncodedText], requests: Sequence[Request]) -> tuple[TextBatch, Tensor]:
        """The texts and voices [B, E] of requests, on the model's device."""
        return TextBatch.collate(texts).to(self.device), torch.cat([self._voice(request.speaker) for request in requests])

    def _delivery(self, requests: Sequence[Request]) -> dict[str, Any]:
        """What the synthesizer is to be told of each request beside its text and voice."""

        def each(value: Callable[[Request], float]) -> Tensor:
            return torch.tensor([value(request) for request in requests], dtype=torch.float32, device=self.device)

        return {
            "noise_scale": each(lambda request: request.noise_scale),
            "duration_noise_scale": each(lambda request: request.duration_noise_scale),
            "length_scale": each(lambda request: 1 / request.speed),
            "generators": [torch.Generator(self.device).manual_seed(request.seed) for request in requests],
        }

    @torch.inference_mode()
    def embed(self, samples: np.ndarray) -> Tensor:
        """The voice [E] in a recording [T_samples] at ``sample_rate``; no training is needed.

        Raises:
            SovitsError: less than a second, or silence.
        """
        if len(samples) < SHORTEST_REFERENCE * self.sample_rate:
            seconds = len(samples) / self.sample_rate
            raise SovitsError(
                f"A reference of {seconds:.2f} s is too short to tell a voice; give at least {SHORTEST_REFERENCE:g} s, better 10 s."
            )
        if not np.abs(samples).max() > SILENCE:
            raise SovitsError("The reference is silent; give a clip in which the speaker speaks.")
        return self.synthesizer.embed_speaker(self._waveform(samples))[0].cpu().clone()

    def embed_recording(self, samples: np.ndarray) -> Tensor:
        """``embed`` of [T_samples] at any loudness: a quiet one keeps its place above the spectrogram's floor, where training clips are."""
        return self.embed(normalize_loudness(samples, self.sample_rate, REFERENCE_LUFS))

    def embed_clip(self, path: Path | str) -> Tensor:
        """The voice [E] in an audio file, at any rate and loudness.

        Raises:
            SovitsError: an unreadable, too short or silent file, by name.
        """
        samples = read_waveform(path, self.sample_rate)
        try:
            return self.embed_recording(samples)
        except SovitsError as error:
            raise SovitsError(f"{path}: {error}") from error

    def add_speaker(self, name: str, embedding: Tensor) -> None:
        """Lets ``speak`` use ``embedding`` [E] as ``name``, from now on; ``bank.save`` keeps it.

        Raises:
            SovitsError: an unusable name, or an embedding of another size than the model's.
        """
        self._voice(embedding)
        self.bank.add(name, embedding)

    @torch.inference_mode()
    def reconstruct(self, samples: np.ndarray, embedding: Tensor) -> np.ndarray:
        """A recording [T_samples] through the posterior encoder's mean and the decoder, in the voice [E]: the best it could sound.

        Returns:
            float32 [T_frames * hop_length], whole frames of the recording.

        Raises:
            SovitsError: less than one frame.
        """
        hop_length = self.mel_spectrogram.hop_length
        frames = len(samples) // hop_length
        if frames == 0:
            raise SovitsError(
                f"A recording of {len(samples)} samples is shorter than one frame (audio.hop_length={hop_length}); give a longer one."
            )
        spectrogram = log_compress(self.posterior_spectrogram(self._waveform(samples[: frames * hop_length])))
        audio = self.synthesizer.reconstruct(spectrogram, torch.tensor([frames], device=self.device), self._voice(embedding))
        return audio[0, 0].float().cpu().numpy()

    def _voice(self, speaker: str | Tensor) -> Tensor:
        """[1, E] on the model's device."""
        embedding = self.bank[speaker] if isinstance(speaker, str) else speaker
        if embedding.shape != (self.embedding_size,):
            raise SovitsError(f"An embedding of shape {list(embedding.shape)} does not fit the model, which wants [{self.embedding_size}].")
        return F.normalize(embedding.to(self.device, torch.float32), dim=0).unsqueeze(0)

    def _waveform(self, samples: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)).to(self.device).unsqueeze(0)


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SovitsError(f"device={device} cannot be used here ({str(error).splitlines()[0]}); choose device=cpu.") from error
