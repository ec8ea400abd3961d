"""The voices: who is there, who is added, who is taken away."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from sovits.serving.answers import Refused, errors, refused
from sovits.serving.batcher import Busy
from sovits.serving.callers import Caller, known_caller
from sovits.serving.enrolment import Upload
from sovits.serving.schemas import Enrolled, EnrolmentNeeds, Speaker, Speakers
from sovits.serving.service import Service
from sovits.serving.shelf import EnrolmentDetails, ModelVoice, UnknownVoice, VoiceExists

log = logging.getLogger(__name__)

LONGEST_CONSENT = 2000
ENROLMENT_SECONDS = 5
"""That one takes, or less."""


def speaker_routes(service: Service) -> APIRouter:
    """The routes about voices."""
    routes = APIRouter(prefix="/v1/speakers", tags=["speakers"])

    @routes.get("", dependencies=[Depends(known_caller)])
    async def speakers() -> Speakers:
        """Every voice that can be asked for."""
        limits = service.enrol.limits
        needs = EnrolmentNeeds(clips=limits.clips, clip_seconds=limits.clip_seconds, seconds=limits.seconds)
        told = [Speaker(**asdict(one)) for one in service.shelf.described()]
        return Speakers(speakers=told, enrolment=needs if service.shelf.takes_voices else None)

    @routes.post("", status_code=201, responses=errors(400, 408, 409, 413, 422, 500, 503, 507))
    async def enrol(
        caller: Annotated[Caller, Depends(known_caller)],
        speaker_id: Annotated[str, Form(min_length=1, max_length=200, description="A new name.")],
        consent: Annotated[str, Form(min_length=1, max_length=LONGEST_CONSENT, description="Who agreed to this voice, when, to what use.")],
        clips: Annotated[list[UploadFile], File(min_length=1, description="Recordings of one speaker: wav, flac, mp3, ogg or opus.")],
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
        except OSError as error:
            raise _of_disk(error, speaker_id) from error

    @routes.delete(
        "/{speaker_id}",
        status_code=204,
        responses=errors(403, 404, 422, 500, 503, 507),
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
        except OSError as error:
            raise _of_disk(error, speaker_id) from error
        return Response(status_code=204)

    return routes


def _of_disk(error: OSError, name: str) -> Refused:
    """The owner is told all of it, the client what it may know."""
    log.error("The files of the voice %r could not be written: %s", name, error)
    return refused(error)
