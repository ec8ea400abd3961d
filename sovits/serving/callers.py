"""Who asks: the name of the API key, and a name for the request."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers

from sovits.serving.answers import Refused
from sovits.serving.service import Service


@dataclass(frozen=True)
class Caller:
    """One who may ask."""

    key: str | None
    """Name of the key; None where the service asks for none."""
    request_id: str


bearer = HTTPBearer(auto_error=False, description="The API key, where the service asks for one.")


async def known_caller(request: Request) -> Caller:
    """The caller of a request; counts it against the key's limit.

    Raises:
        Refused: no key, an unknown one, or too many requests.
    """
    service: Service = request.app.state.service
    name = key_name(service, request.headers)
    if name is not None and not service.rate.admits(name):
        wait = service.rate.retry_after(name)
        raise Refused(429, f"The key {name} has asked as often as it may in a minute; try again in {wait} s.", "too_often", wait)
    return Caller(name, secrets.token_hex(8))


def key_name(service: Service, headers: Headers) -> str | None:
    """Whose key a request brings; None where the service asks for none.

    Raises:
        Refused: no key, or an unknown one.
    """
    if service.keys is None:
        return None
    scheme, _, key = headers.get("authorization", "").partition(" ")
    name = service.keys.name_of(key.strip()) if scheme.lower() == "bearer" else None
    if name is None:
        raise Refused(401, "This service asks for a key; send the header `Authorization: Bearer KEY`.", "no_key")
    return name
