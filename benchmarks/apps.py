"""Small ASGI applications to put the guard around, as factories for uvicorn: an API that answers from memory, and the proxy."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.upstream import TEXT, whole_answer
from guard import GuardMiddleware
from guard.asgi import App
from guard.proxy import Proxy

_ANSWER: Any = msgspec.json.decode(whole_answer(TEXT).partition(b"\r\n\r\n")[2])


async def _complete(request: Request) -> JSONResponse:
    await request.json()
    return JSONResponse(_ANSWER)


_ROUTES = [Route("/v1/chat/completions", _complete, methods=["POST"])]


def bare() -> App:
    """Return a Starlette app that reads a JSON request and answers 1 KB of JSON."""
    return Starlette(routes=_ROUTES)


def guarded() -> App:
    """Return the same app under the guard, with the policy in the environment variable POLICY."""
    return Starlette(routes=_ROUTES, middleware=[Middleware(GuardMiddleware, policy=os.environ["POLICY"])])


def proxy() -> App:
    """Return the guard's proxy without the guard, to the URL in the environment variable UPSTREAM."""
    return Proxy(os.environ["UPSTREAM"])
