"""A guarded Starlette app. Run: python -m uvicorn examples.starlette_app:app --port 8000"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from guard import GuardMiddleware


async def chat(request: Request) -> JSONResponse:
    """Answer in OpenAI's format by repeating the last message."""
    body = await request.json()
    message = {"role": "assistant", "content": body["messages"][-1]["content"]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer = {"id": "1", "object": "chat.completion", "created": 0, "model": body.get("model", "echo"), "choices": [choice]}
    return JSONResponse(answer)


app = Starlette(
    routes=[Route("/v1/chat/completions", chat, methods=["POST"])],
    middleware=[Middleware(GuardMiddleware, policy="default")],
)
