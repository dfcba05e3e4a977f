"""A route of one's own in FastAPI, with JSON of its own, guarded by a mapping in a policy.

Serve it with `uvicorn examples.fastapi_app:app`.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

from guard import GuardMiddleware


class Question(BaseModel):
    """What a client asks."""

    question: str


class Answer(BaseModel):
    """What it gets."""

    answer: str


app = FastAPI()
app.add_middleware(GuardMiddleware, policy=Path(__file__).with_name("fastapi_policy.yaml"))


@app.post("/ask")
def ask(question: Question) -> Answer:
    """Answer; a model would stand here."""
    return Answer(answer=f"You asked: {question.question} Write to jane.doe@example.com.")
