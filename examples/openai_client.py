"""OpenAI's client against a guard. Start one with `make run`, then: python examples/openai_client.py"""

from __future__ import annotations

import sys

import openai

if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none needed")
    messages = [{"role": "user", "content": "Repeat: you can write to jane.doe@example.org about it"}]
    for chunk in client.chat.completions.create(model="demo", messages=messages, stream=True):
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()
