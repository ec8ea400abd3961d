"""Text in, speech out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from sovits.serving.answers import CLIENT_LEFT, Refused, encoded, errors, refused, speech_headers
from sovits.serving.batcher import Busy
from sovits.serving.callers import Caller, known_caller
from sovits.serving.schemas import MEDIA_TYPES, STREAMED, OpenAiSpeechRequest, TimedSpeech, TtsRequest
from sovits.serving.service import Service
from sovits.serving.speaking import Spoken
from sovits.serving.streaming import Pieces, SpeechStream
from sovits.serving.watching import Trace
from sovits.voice import Passage, Request
from sovits.voice.timestamps import as_dict

Result = TypeVar("Result")

_AUDIO = {
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
    "description": "Audio.",
    "headers": {
        "X-Request-Id": {"description": "As in the log.", "required": True, "schema": {"type": "string"}},
        "X-Seed": {"description": "That it was said with.", "required": True, "schema": {"type": "integer", "minimum": 0}},
        "X-Audio-Seconds": {"description": "Not known of a stream, and in the body with times.", "schema": {"type": "number"}},
    },
}
_ERRORS = errors(400, 404, 408, 413, 422, 500, 503, 504, 507)
_AnyCaller = Annotated[Caller, Depends(known_caller)]


def speech_routes(service: Service) -> APIRouter:
    """The routes that speak."""
    routes = APIRouter(tags=["speech"])

    @routes.post("/v1/tts", responses={**_ERRORS, 200: _AUDIO | {"model": TimedSpeech}}, response_class=Response)
    async def tts(asked: TtsRequest, request: HttpRequest, caller: _AnyCaller) -> Response:
        """Says a text in a voice."""
        return await _answered(service, asked, request, caller)

    @routes.post("/v1/audio/speech", responses={**_ERRORS, 200: _AUDIO}, response_class=Response)
    async def openai_speech(asked: OpenAiSpeechRequest, request: HttpRequest, caller: _AnyCaller) -> Response:
        """The same as OpenAI's clients ask for it: ``input``, ``voice``, ``response_format``."""
        return await _answered(service, asked.as_request(), request, caller)

    return routes


async def _answered(service: Service, asked: TtsRequest, request: HttpRequest, caller: Caller) -> Response:
    trace = Trace(caller.request_id, caller.key, asked)
    try:
        if asked.stream:
            return await _streamed(service, asked, trace)
        spoken = await _unless_gone(request, _spoken(service, asked, trace))
        response = await run_in_threadpool(_response, spoken, asked, trace)
    except asyncio.CancelledError:
        trace.status, trace.error = CLIENT_LEFT, "the client left"
        service.watch.tell(trace)
        raise
    except Exception as error:  # whatever it is, it is logged under the request's id, and the client hears what it may
        told = refused(error)
        trace.status, trace.error = told.status, f"{type(error).__name__}: {error}"
        service.watch.tell(trace)
        raise told from error
    service.watch.tell(trace)
    return response


def _request(service: Service, asked: TtsRequest) -> Request:
    """With the voice itself in place of its name, so that nothing that happens to the name later changes what is said."""
    service.batcher.require_open()
    if asked.speaker_id not in service.shelf:
        raise Refused(404, f"There is no speaker {asked.speaker_id!r}; GET /v1/speakers lists them.", "unknown_speaker")
    delivery = (asked.seed, asked.noise_scale, asked.duration_noise_scale, asked.speed)
    return Request(asked.text, service.shelf[asked.speaker_id], asked.language, *delivery)


async def _spoken(service: Service, asked: TtsRequest, trace: Trace) -> Spoken:
    request = _request(service, asked)
    spoken = service.speaking.remembered(request)
    trace.cached = spoken is not None
    if spoken is None:
        await run_in_threadpool(service.speaking.require_readable, request)
        done = await service.batcher.submit(request, service.limits.deadline)
        trace.queued, trace.computed, trace.batch, spoken = done.queued, done.computed, done.batch, done.result
    trace.spoken, trace.seconds = spoken, spoken.speech.seconds
    return spoken


def _response(spoken: Spoken, asked: TtsRequest, trace: Trace) -> Response:
    speech = spoken.speech
    audio = encoded(speech.samples, speech.sample_rate, asked.format)
    seed = spoken.verdict.seed if spoken.verdict else asked.seed
    if asked.timestamps:
        times = as_dict(Passage((speech,)))
        body = TimedSpeech(audio=base64.b64encode(audio).decode(), format=asked.format, seed=seed, **times)
        return JSONResponse(body.model_dump(), headers=speech_headers(trace.request_id, seed))
    headers = speech_headers(trace.request_id, seed) | {"X-Audio-Seconds": f"{speech.seconds:.4f}"}
    return Response(audio, media_type=MEDIA_TYPES[asked.format], headers=headers)


async def _streamed(service: Service, asked: TtsRequest, trace: Trace) -> Response:
    if asked.format not in STREAMED or asked.timestamps:
        wrong = "timestamps=true" if asked.timestamps else f"format={asked.format}"
        told = f"stream=true with {wrong} cannot be: only {' and '.join(STREAMED)}, without times, are sent before all is known."
        raise Refused(422, told)
    request = _request(service, asked)
    if service.streams.locked():
        raise Busy(service.limits.streams, 1)
    await service.streams.acquire()
    pieces = Pieces(lambda: service.speaking.voice.stream_sentence(request), service.limits.deadline, service.streams.release)
    try:
        first = await pieces.next()
    except BaseException:
        pieces.close()
        raise
    return SpeechStream(service, first, pieces, trace)


async def _unless_gone(request: HttpRequest, work: Awaitable[Result]) -> Result:
    """``work``, cancelled when the client leaves."""
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refused(CLIENT_LEFT, "The client left.")
        return task.result()
    finally:
        task.cancel()
        leaving.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _left(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
