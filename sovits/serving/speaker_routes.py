"""The voices: who is there, who is added, who is taken away."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from sovits.serving.answers import Refused
from sovits.serving.batcher import Busy
from sovits.serving.callers import Caller, known_caller
from sovits.serving.enrolment import Upload
from sovits.serving.schemas import Enrolled, ErrorAnswer, Speaker, Speakers
from sovits.serving.service import Service
from sovits.serving.shelf import EnrolmentDetails, ModelVoice, UnknownVoice, VoiceExists

LONGEST_CONSENT = 2000
ENROLMENT_SECONDS = 5
"""That one takes, or less."""


def speaker_routes(service: Service) -> APIRouter:
    """The routes about voices."""
    routes = APIRouter(prefix="/v1/speakers", tags=["speakers"], responses={401: {"model": ErrorAnswer}, 429: {"model": ErrorAnswer}})

    @routes.get("", dependencies=[Depends(known_caller)])
    async def speakers() -> Speakers:
        """Every voice that can be asked for."""
        return Speakers(speakers=[Speaker(**asdict(one)) for one in service.shelf.described()])

    @routes.post("", status_code=201, responses={status: {"model": ErrorAnswer} for status in (409, 413, 422, 503)})
    async def enrol(
        caller: Annotated[Caller, Depends(known_caller)],
        speaker_id: Annotated[str, Form(min_length=1, max_length=200, description="A new name.")],
        consent: Annotated[str, Form(min_length=1, max_length=LONGEST_CONSENT, description="Who agreed to this voice, when, to what use.")],
        clips: Annotated[list[UploadFile], File(description="Recordings of one speaker: wav, flac, mp3, ogg or opus.")],
    ) -> Enrolled:
        """Makes a voice from clips; nothing is trained."""
        if not consent.strip():
            raise Refused(422, "consent is empty; write who agreed to this voice, when, and to what use.")
        uploads = [Upload(clip.filename or f"clip {number}", await clip.read()) for number, clip in enumerate(clips, start=1)]

        def work() -> Enrolled:
            service.shelf.require_new(speaker_id)
            made = service.enrol(uploads)
            service.shelf.add(speaker_id, made.embedding, EnrolmentDetails(made.seconds, made.clips, consent.strip(), caller.key))
            return Enrolled(id=speaker_id, seconds=made.seconds, clips=made.clips, notes=list(made.notes))

        if service.enrolments.locked():
            raise Busy(service.limits.enrolments, ENROLMENT_SECONDS)
        try:
            async with service.enrolments:
                return await run_in_threadpool(work)
        except VoiceExists as error:
            raise Refused(409, str(error), "exists") from error

    @routes.delete(
        "/{speaker_id}",
        status_code=204,
        responses={status: {"model": ErrorAnswer} for status in (403, 404)},
        dependencies=[Depends(known_caller)],
    )
    async def remove(speaker_id: str) -> Response:
        """Takes an enrolled voice away."""
        try:
            await run_in_threadpool(service.shelf.remove, speaker_id)
        except UnknownVoice as error:
            raise Refused(404, str(error), "unknown_speaker") from error
        except ModelVoice as error:
            raise Refused(403, str(error), "model_voice") from error
        return Response(status_code=204)

    return routes
