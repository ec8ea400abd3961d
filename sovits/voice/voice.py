"""A trained model that speaks: text and a speaker in, a waveform out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sovits.audio.waveform import normalize_loudness, read_waveform
from sovits.delivery import DURATION_NOISE_SCALE, NOISE_SCALE
from sovits.errors import SovitsError
from sovits.text.encoding import EncodedText
from sovits.text.sentences import split_sentences
from sovits.voice.engine import Engine, Line
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
    """A trained synthesizer with the text front end it was trained with and the voices it knows.

    Requests don't touch one another: each brings its seed and its speaker, and nothing here changes but by ``add_speaker``.

    Args:
        engine: what runs the networks.
        front_end: text and its language (None: found out) -> what the networks read.
        bank: the voices that requests may name.

    Raises:
        SovitsError: voices of another size than the model's.
    """

    def __init__(self, engine: Engine, front_end: Callable[[str, str | None], EncodedText], bank: SpeakerBank) -> None:
        self.engine = engine
        self.front_end = front_end
        self.bank = bank
        self.embedding_size = engine.embedding_size
        if bank.embedding_size not in (None, self.embedding_size):
            raise SovitsError(
                f"The voices in the bank have {bank.embedding_size} numbers and the model wants {self.embedding_size} "
                "(embedding_size); use the bank of the same training run."
            )

    @classmethod
    def load(cls, checkpoint: Path | str, *, bank: Path | str | None = None, device: str = "cpu", threads: int | None = None) -> Voice:
        """Rebuilds all of it from a checkpoint of `sovits train`, or from a folder of `sovits export`.

        Args:
            checkpoint: a ``.ckpt`` file, or a folder with an ``export.json``; one of ONNX needs no PyTorch.
            bank: folder of ``.npy`` voices in place of those that came with it.
            device: such as ``cpu`` or ``cuda:0``.
            threads: that it works with on a CPU; None: as many as there are cores.

        Raises:
            SovitsError: an unusable checkpoint, export or bank, or a device that is not there.
        """
        from sovits.voice.loading import load_parts

        engine, front_end, own = load_parts(Path(checkpoint), device, threads)
        return cls(engine, front_end, own if bank is None else SpeakerBank.load(bank))

    @property
    def speakers(self) -> list[str]:
        """Everyone it can speak as, sorted."""
        return self.bank.names

    @property
    def sample_rate(self) -> int:
        """Hz of what it speaks and reads."""
        return self.engine.sample_rate

    def speak(
        self,
        text: str,
        speaker: str | np.ndarray,
        *,
        language: str | None = None,
        seed: int = 0,
        noise_scale: float = NOISE_SCALE,
        duration_noise_scale: float = DURATION_NOISE_SCALE,
        speed: float = 1.0,
    ) -> Speech:
        """Says ``text`` as one sentence; the arguments are those of :class:`Request`.

        Raises:
            SovitsError: an unknown speaker, a text that can't be read, or a value out of range.
        """
        return self.speak_all([Request(text, speaker, language, seed, noise_scale, duration_noise_scale, speed)])[0]

    def speak_all(self, requests: Sequence[Request]) -> list[Speech]:
        """Says each text as one sentence, all at once: a request sounds as it does alone, but for rounding.

        Raises:
            SovitsError: as ``speak``.
        """
        lines = [self._line(request) for request in requests]
        spoken = zip(lines, self.engine.speak(lines), strict=True)
        return [Speech(said.samples, self.sample_rate, line.text, said.durations, line.request.text) for line, said in spoken]

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

    def stream_sentence(self, request: Request) -> Iterator[np.ndarray]:
        """``stream`` of a text that is said as one sentence, as ``speak`` says it."""
        frame = self.engine.hop_length / self.sample_rate
        first, longest = max(1, round(FIRST_CHUNK / frame)), max(1, round(LONGEST_CHUNK / frame))
        return self.engine.stream(self._line(request), first, longest)

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

    def embed(self, samples: np.ndarray) -> np.ndarray:
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
        return self.engine.embed(samples)

    def embed_recording(self, samples: np.ndarray) -> np.ndarray:
        """``embed`` of [T_samples] at any loudness: a quiet one keeps its place above the spectrogram's floor, where training clips are."""
        return self.embed(normalize_loudness(samples, self.sample_rate, REFERENCE_LUFS))

    def embed_clip(self, path: Path | str) -> np.ndarray:
        """The voice [E] in an audio file, at any rate and loudness.

        Raises:
            SovitsError: an unreadable, too short or silent file, by name.
        """
        samples = read_waveform(path, self.sample_rate)
        try:
            return self.embed_recording(samples)
        except SovitsError as error:
            raise SovitsError(f"{path}: {error}") from error

    def add_speaker(self, name: str, embedding: np.ndarray) -> None:
        """Lets ``speak`` use ``embedding`` [E] as ``name``, from now on; ``bank.save`` keeps it.

        Raises:
            SovitsError: an unusable name, or an embedding of another size than the model's.
        """
        self._voice(embedding)
        self.bank.add(name, embedding)

    def reconstruct(self, samples: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        """A recording [T_samples] through the posterior encoder's mean and the decoder, in the voice [E]: the best it could sound.

        Returns:
            float32 [T_frames * hop_length], whole frames of the recording.

        Raises:
            SovitsError: less than one frame.
        """
        hop_length = self.engine.hop_length
        frames = len(samples) // hop_length
        if frames == 0:
            raise SovitsError(
                f"A recording of {len(samples)} samples is shorter than one frame (audio.hop_length={hop_length}); give a longer one."
            )
        return self.engine.reconstruct(samples[: frames * hop_length], self._voice(embedding))

    def _line(self, request: Request) -> Line:
        return Line(self.front_end(request.text, request.language), self._voice(request.speaker), request)

    def _voice(self, speaker: str | np.ndarray) -> np.ndarray:
        """[E] of norm 1."""
        embedding = np.asarray(self.bank[speaker] if isinstance(speaker, str) else speaker, dtype=np.float32)
        if embedding.shape != (self.embedding_size,):
            raise SovitsError(f"An embedding of shape {list(embedding.shape)} does not fit the model, which wants [{self.embedding_size}].")
        return embedding / max(float(np.linalg.norm(embedding)), 1e-12)
