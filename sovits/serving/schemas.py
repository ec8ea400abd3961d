"""What goes over the wire, as the OpenAPI description shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sovits.delivery import DURATION_NOISE_SCALE, NOISE_SCALE

MOST_CHARACTERS = 150
"""Of a text; characters as Unicode counts them."""
LARGEST_SEED = 2**53 - 2
"""The largest whole number that every client's JSON keeps is the next one, which is for a second try."""

Format = Literal["wav", "flac", "mp3", "opus", "pcm"]
MEDIA_TYPES: dict[str, str] = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "opus": "audio/ogg", "pcm": "audio/pcm"}
STREAMED: tuple[str, ...] = ("wav", "pcm")
"""Formats that can be sent before all of them is known."""


def _whole(value: object) -> object:
    """1.0 is a whole number of JSON, as 1 is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MOST_CHARACTERS,
        description="English, Mandarin or both in one sentence.",
        examples=["Hello，欢迎致电客服中心"],
    ),
]
SpeakerId = Annotated[str, Field(min_length=1, max_length=200, description="One of GET /v1/speakers.")]
Speed = Annotated[float, Field(ge=0.25, le=4.0, description="Above 1 is faster.")]
Seed = Annotated[
    int, BeforeValidator(_whole), Field(ge=0, le=LARGEST_SEED, description="The same request with the same seed gives the same audio.")
]
_DELIVERY = Field(ge=0.0, le=2.0, description="Variety of the delivery; 0 is the most even.")
_RHYTHM = Field(ge=0.0, le=2.0, description="Variety of the rhythm, of a model with stochastic durations.")


class TtsRequest(BaseModel):
    """One text in one voice."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    text: Text
    speaker_id: SpeakerId
    format: Format = "wav"
    speed: Speed = 1.0
    seed: Seed = 0
    language: Annotated[Literal["en", "zh"] | None, Field(description="Null: found out, also within a sentence.")] = None
    noise_scale: Annotated[float, _DELIVERY] = NOISE_SCALE
    duration_noise_scale: Annotated[float, _RHYTHM] = DURATION_NOISE_SCALE
    stream: Annotated[bool, Field(description="Sends the first sound before the last is made; wav and pcm only.")] = False
    timestamps: Annotated[bool, Field(description="Answers with JSON: the audio in base64, and when every word and phone is said.")] = False


class OpenAiSpeechRequest(BaseModel):
    """OpenAI's request for speech, as its clients send it; what it has beyond ours is not read."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    input: Text
    voice: SpeakerId
    model: Annotated[str, Field(description="Any name: this service has one model.")] = "sovits"
    response_format: Format = "mp3"
    speed: Speed = 1.0
    stream_format: Literal["audio"] = "audio"

    def as_request(self) -> TtsRequest:
        """The same in our words."""
        return TtsRequest(text=self.input, speaker_id=self.voice, format=self.response_format, speed=self.speed)


class Time(BaseModel):
    """A word, phone or sentence, in seconds from the start of the audio."""

    text: str
    start: float
    end: float


class TimedSpeech(BaseModel):
    """Audio and when everything in it is said."""

    audio: str = Field(description="The file in base64.")
    format: Format
    sample_rate: int
    seconds: float
    seed: int
    sentences: list[Time]
    words: list[Time]
    phones: list[Time]


class Speaker(BaseModel):
    """A voice of the service."""

    id: str
    origin: Literal["model", "enrolled"] = Field(description="Of the checkpoint, or of the bank.")
    seconds: float | None = Field(None, description="Of speech that it was made from.")
    clips: int | None = None
    consent: str | None = Field(None, description="Who agreed to this voice, as it was said at enrolment.")
    enrolled_at: str | None = Field(None, description="ISO 8601, UTC.")


class EnrolmentNeeds(BaseModel):
    """What a new voice is made from."""

    clips: int = Field(description="Most recordings.")
    clip_seconds: float = Field(description="Most of a recording.")
    seconds: float = Field(description="Least speech of all recordings together.")


class Speakers(BaseModel):
    """Every voice, by name."""

    speakers: list[Speaker]
    enrolment: EnrolmentNeeds | None = Field(description="Null where nobody can be enrolled.")


class Enrolled(BaseModel):
    """A new voice."""

    id: str
    seconds: float
    clips: int
    notes: list[str] = Field(description="What was left out, and why.")


class Problem(BaseModel):
    """What was wrong, in OpenAI's words."""

    message: str
    type: str
    code: str | None = None


class ErrorAnswer(BaseModel):
    """Every answer that is not the one asked for."""

    error: Problem


class Status(BaseModel):
    """Of the service."""

    status: str
