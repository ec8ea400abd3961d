"""Answers: what is wrong, in one form; audio in the format that was asked for."""

from __future__ import annotations

import errno
import struct
from typing import Any

import numpy as np
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from sovits.audio.waveform import encode_waveform, pcm16
from sovits.errors import SovitsError
from sovits.serving.batcher import Busy, Closing, TooLate
from sovits.serving.schemas import MOST_CHARACTERS, ErrorAnswer, Problem
from sovits.serving.voice_folder import FolderHeld

CLIENT_LEFT = 499
"""What nginx calls it; nobody is there to read it."""
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_RETRY = {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 0}}}
_HEADERS = {401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}, 429: _RETRY, 503: _RETRY}
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNKNOWN_LENGTH = 0xFFFFFFFF


class Refused(Exception):
    """An answer that is not the one asked for.

    Args:
        status: of HTTP.
        message: one sentence: what, and the remedy.
        code: a word for programs.
        retry_after: seconds.
    """

    def __init__(self, status: int, message: str, code: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.retry_after = status, message, code, retry_after


def refused(error: Exception) -> Refused:
    """What a client is told of an error: all of a mistake that it can mend, nothing of what only the service's owner can."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Busy):
        return Refused(503, str(error), "busy", error.retry_after)
    if isinstance(error, Closing):
        return Refused(503, str(error), "closing", 5)
    if isinstance(error, FolderHeld):
        return Refused(503, str(error), "folder_held", 5)
    if isinstance(error, OSError) and error.errno in _FULL:
        return Refused(507, "The service's disk is full, and nothing was kept; try again when its owner has made room.", "disk_full")
    if isinstance(error, TooLate):
        return Refused(504, str(error), "too_late")
    if isinstance(error, SovitsError):
        return Refused(422, str(error))
    return Refused(500, "The service failed at this request; its log tells why, under the request's id.", "internal")


def answer(error: Refused) -> JSONResponse:
    """It, in OpenAI's form."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = ErrorAnswer(error=Problem(message=error.message, type=kind, code=error.code))
    return JSONResponse(body.model_dump(), error.status, headers)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a description says of answers in this form."""
    return {status: {"model": ErrorAnswer, "headers": _HEADERS.get(status, {})} for status in statuses}


async def on_refused(_: Request, error: Exception) -> Response:
    return answer(refused(error))


async def on_http_error(request: Request, error: Exception) -> Response:
    """A path or method that does not exist, a body that is no form."""
    assert isinstance(error, HTTPException)
    # Large uploads go to the disk while they are read; FastAPI calls whatever fails there a body that is none.
    if isinstance(error.__cause__, OSError):
        return answer(refused(error.__cause__))
    told = answer(Refused(error.status_code, f"{error.detail}; /docs lists what there is."))
    told.headers.update(error.headers or {})
    if error.status_code == 405:
        # Each method has a route of its own, and the first one's answer names its own alone.
        told.headers["Allow"] = ", ".join(method for method in _METHODS if _takes(request, method))
    return told


def _takes(request: Request, method: str) -> bool:
    scope = dict(request.scope) | {"method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


async def on_invalid(_: Request, error: Exception) -> Response:
    """The first thing that is wrong with a body, by the name of its field."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "path", "query")) or "the body"
    if first["type"] == "string_too_long" and first["ctx"]["max_length"] == MOST_CHARACTERS:
        return answer(
            Refused(422, f"{field} has {len(first['input'])} characters and may have {MOST_CHARACTERS}; send it in parts.", "too_long")
        )
    if first["type"] == "json_invalid":
        return answer(Refused(422, "The body is not JSON; send an object such as the one /docs shows."))
    return answer(Refused(422, f"{field}: {first['msg']}."))


def encoded(samples: np.ndarray, sample_rate: int, name: str) -> bytes:
    """[T_samples] in one of the service's formats."""
    return pcm16(samples).tobytes() if name == "pcm" else encode_waveform(samples, sample_rate, f".{name}")


def speech_headers(request_id: str, seed: int) -> dict[str, str]:
    return {"X-Request-Id": request_id, "X-Seed": str(seed)}


def stream_head(sample_rate: int, name: str) -> bytes:
    """What goes before streamed 16-bit samples: nothing for pcm; for wav a header that says "as much as comes" (RFC 2361 has no better)."""
    if name == "pcm":
        return b""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH, b"WAVE") + form + struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)
