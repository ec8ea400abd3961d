"""The web application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from sovits import __version__
from sovits.errors import SovitsError
from sovits.serving.answers import Refused, on_http_error, on_invalid, on_refused
from sovits.serving.body_limit import BodyLimit
from sovits.serving.callers import bearer, known_caller
from sovits.serving.schemas import Status
from sovits.serving.service import Service
from sovits.serving.speaker_routes import speaker_routes
from sovits.serving.speech_routes import speech_routes

PAGE = Path(__file__).with_name("page")
_SAFE = {
    "Content-Security-Policy": "default-src 'self'; media-src blob: data:; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(service: Service) -> FastAPI:
    """All routes over one service, which starts and ends with the application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.close()

    # Its /docs bring what they show along, instead of asking another server for it.
    app = FastAPIOffline(title="sovits", version=__version__, summary="Text and a speaker id in, speech out.", lifespan=lifespan)
    app.state.service = service
    for kind, handler in ((Refused, on_refused), (SovitsError, on_refused), (Exception, on_refused)):
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http_error)
    app.include_router(speech_routes(service), dependencies=[Depends(bearer)])
    app.include_router(speaker_routes(service), dependencies=[Depends(bearer)])
    _add_state(app, service)
    _add_page(app)
    app.add_middleware(BodyLimit, most=service.limits.most_bytes, seconds=service.limits.body_seconds)
    return app


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["state"])
    async def health() -> Status:
        """Whether the process answers."""
        return Status(status="ok")

    @app.get("/ready", tags=["state"], responses={503: {"model": Status}})
    async def ready() -> Response:
        """Whether it takes requests."""
        return JSONResponse({"status": "ready" if service.ready else "not ready"}, 200 if service.ready else 503)

    @app.get("/metrics", tags=["state"], response_class=PlainTextResponse, dependencies=[Depends(known_caller)])
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.watch.exposition(), media_type=CONTENT_TYPE_LATEST)


def _add_page(app: FastAPI) -> None:
    """The page to try voices with: three files, and nothing else of the folder."""

    def file(name: str) -> Callable[[], Awaitable[Response]]:
        async def send() -> Response:
            return FileResponse(PAGE / name, headers=_SAFE)

        return send

    for path, name in (("/", "index.html"), ("/page.css", "page.css"), ("/page.js", "page.js")):
        app.add_api_route(path, file(name), include_in_schema=False)
