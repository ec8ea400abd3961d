"""The web application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from sovits import __version__
from sovits.errors import SovitsError
from sovits.serving.answers import Refused, errors, on_http_error, on_invalid, on_refused
from sovits.serving.body_limit import BodyLimit
from sovits.serving.callers import bearer, key_name, known_caller
from sovits.serving.schemas import Status
from sovits.serving.service import Service
from sovits.serving.speaker_routes import speaker_routes
from sovits.serving.speech_routes import speech_routes

PAGE = Path(__file__).with_name("page")
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
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
    app = FastAPIOffline(
        title="sovits", version=__version__, summary="Text and a speaker id in, speech out.", lifespan=lifespan, redirect_slashes=False
    )
    app.state.service = service
    for kind, handler in ((Refused, on_refused), (SovitsError, on_refused), (Exception, on_refused)):
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http_error)
    asks_for_key = service.keys is not None
    for routes in (speech_routes(service), speaker_routes(service), _state_routes(service)):
        dependencies = [Depends(bearer)] if asks_for_key else []
        app.include_router(routes, dependencies=dependencies, responses=errors(401, 429) if asks_for_key else {})
    app.include_router(_open_routes(service))
    _add_page(app)
    _add_body_limit(app, service)
    return app


def _add_body_limit(app: FastAPI, service: Service) -> None:
    limits = service.limits

    def most(scope: Scope) -> int:
        """Bytes of a body; a large one is read only from those who may send it."""
        limit = limits.most_bytes(scope["path"])
        if limit > limits.body_bytes and scope["method"] == "POST":
            key_name(service, Headers(scope=scope))
        return limit

    app.add_middleware(BodyLimit, most=most, small=limits.body_bytes, together=limits.bodies_bytes, seconds=limits.body_seconds)


def _state_routes(service: Service) -> APIRouter:
    routes = APIRouter(tags=["state"])

    # Not a class of plain text, which would call the errors plain text too.
    figures = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format."}

    @routes.get("/metrics", response_class=Response, responses={200: figures}, dependencies=[Depends(known_caller)])
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.watch.exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes


def _open_routes(service: Service) -> APIRouter:
    """What needs no key."""
    routes = APIRouter(tags=["state"])

    @routes.get("/health")
    async def health() -> Status:
        """Whether the process answers."""
        return Status(status="ok")

    @routes.get("/ready", response_model=Status, responses={503: {"model": Status}})
    async def ready() -> Response:
        """Whether it takes requests."""
        return JSONResponse({"status": "ready" if service.ready else "not ready"}, 200 if service.ready else 503)

    return routes


def _add_page(app: FastAPI) -> None:
    """The page to try voices with: a path for each of its files, so that no other can be asked for."""

    def file(path: Path) -> Callable[[], Awaitable[Response]]:
        async def send() -> Response:
            return FileResponse(path, media_type=_KINDS[path.suffix], headers=_SAFE)

        return send

    for path in sorted(PAGE.iterdir()):
        app.add_api_route("/" if path.name == "index.html" else f"/page/{path.name}", file(path), include_in_schema=False)
