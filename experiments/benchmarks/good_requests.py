"""Requests that must be answered, and with what."""

from __future__ import annotations

import asyncio
import base64
import io
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import soundfile

from sovits.data.espeak import open_espeak
from sovits.voice import Voice

TEXTS = (
    "Hello，欢迎致电客服中心",
    "Hello there",
    "好的，再见",
    "The garage closes early on Thursdays.",
    "One two three",
    "Room 12, at 3:30 pm",
)
KINDS: tuple[Mapping[str, object], ...] = (
    {"format": "wav"}, {"format": "flac"}, {"format": "pcm"}, {"format": "mp3"}, {"format": "opus"}, {"format": "wav", "timestamps": True},
    {"format": "pcm", "stream": True}, {"format": "wav", "stream": True},
)  # fmt: skip
CLOSE = 1e-4
"""Of full scale: three steps of 16 bits."""
HEADER = 44
"""Bytes of a streamed WAV file."""
MOST_TRIES = 50


@dataclass(frozen=True)
class Good:
    """A request and the samples that are its answer."""

    asked: dict[str, object]
    samples: np.ndarray


class References:
    """Every text in every voice, each spoken alone beforehand; and a recording of a new voice."""

    def __init__(self, voice: Voice, drawn: random.Random) -> None:
        self.voice = voice
        self.goods: list[Good] = []
        for number, text in enumerate(TEXTS * 3):
            asked = {"text": text, "speaker_id": drawn.choice(voice.speakers), "seed": number, "speed": drawn.choice([1.0, 1.5])}
            samples = voice.speak(text, str(asked["speaker_id"]), seed=number, speed=float(asked["speed"])).samples
            self.goods.append(Good(asked, np.clip(samples, -1, 1)))
        with open_espeak() as espeak:
            spoken = espeak.speak("The garage on Oak Street closes early on Thursdays, and opens late on Mondays.", "en-us+f5")
            file = io.BytesIO()
            soundfile.write(file, spoken.samples, espeak.sample_rate, format="FLAC")
        self.recording = file.getvalue()

    def any(self, drawn: random.Random) -> Good:
        """One of them, in one of the formats."""
        good = drawn.choice(self.goods)
        return Good(good.asked | drawn.choice(KINDS), good.samples)


async def speak(http: httpx.AsyncClient, good: Good, answers: Counter[str]) -> int:
    """Asks, again where it is sent away, and compares; returns how often it was sent away.

    Raises:
        ValueError: an answer that is not the one that was wanted.
    """
    tries = 0
    while True:
        answer = await http.post("/v1/tts", json=good.asked)
        if answer.status_code != 503 or tries == MOST_TRIES:
            break
        tries += 1
        if "retry-after" not in answer.headers:
            raise ValueError("503 without Retry-After")
        await asyncio.sleep(0.2)
    answers[f"speech: {answer.status_code}"] += 1
    if answer.status_code != 200:
        raise ValueError(f"{good.asked} was answered {answer.status_code}: {answer.text[:200]}")
    heard = _samples(answer, good.asked)
    if good.asked["format"] in ("mp3", "opus"):
        # Coded with losses: as long, but for what the codec pads with.
        if not len(good.samples) <= len(heard) <= 1.2 * len(good.samples) + 4096:
            raise ValueError(f"{good.asked} has {len(heard)} samples in place of {len(good.samples)}")
    elif len(heard) != len(good.samples) or np.abs(heard - good.samples).max() > CLOSE:
        raise ValueError(f"{good.asked} sounds otherwise than alone")
    return tries


def _samples(answer: httpx.Response, asked: Mapping[str, object]) -> np.ndarray:
    content = base64.b64decode(answer.json()["audio"]) if asked.get("timestamps") else answer.content
    if asked["format"] == "pcm" or asked.get("stream"):
        return np.frombuffer(content[0 if asked["format"] == "pcm" else HEADER :], "<i2") / 32768
    return soundfile.read(io.BytesIO(content), dtype="float32")[0]


async def enrol_and_speak(http: httpx.AsyncClient, references: References, bank: Path, name: str, answers: Counter[str]) -> int:
    """A voice is made, spoken with, deleted, and gone.

    Raises:
        ValueError: one of it was answered otherwise.
    """
    form, clips = {"speaker_id": name, "consent": "They agreed."}, [("clips", ("a.flac", references.recording, "audio/flac"))]
    for _ in range(MOST_TRIES):
        made = await http.post("/v1/speakers", data=form, files=clips)
        if made.status_code != 503:
            break
        await asyncio.sleep(0.5)
    answers[f"enrolment: {made.status_code}"] += 1
    if made.status_code != 201:
        raise ValueError(f"the enrolment of {name} was answered {made.status_code}: {made.text[:200]}")
    embedding = np.load(bank / f"{name}.npy", allow_pickle=False)
    samples = await asyncio.to_thread(lambda: references.voice.speak("Hello there", embedding, seed=7).samples)
    good = Good({"text": "Hello there", "speaker_id": name, "seed": 7, "format": "wav"}, np.clip(samples, -1, 1))
    tries = await speak(http, good, answers)
    for status in (204, 404):
        if (told := (await http.delete(f"/v1/speakers/{name}")).status_code) != status:
            raise ValueError(f"deleting {name} was answered {told}")
    return tries
