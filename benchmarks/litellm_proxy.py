"""LiteLLM's proxy with its built-in content filter, as something to compare the guard's proxy with.

`python -m benchmarks.litellm_proxy` measures it in front of the scripted upstream; `litellm_proxy(url)` starts it for other
benchmarks. It is installed into a virtual environment of its own under the system's temporary folder, at the first use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.load import chat_request, load
from benchmarks.processes import free_port, serving
from benchmarks.upstream import upstream

PATTERNS = (
    *("email", "us_phone", "credit_card", "iban", "ipv4", "ipv6", "us_ssn", "passport_us"),
    *("aws_access_key", "aws_secret_key", "github_token", "slack_token", "generic_api_key"),
)
"""The prebuilt patterns that look for what the guard's personal-data and secret rules look for."""

KEY = "sk-benchmark"
"""The key that its clients must send."""

HEADERS = {"authorization": f"Bearer {KEY}"}
"""What a load on it needs in its headers."""


@contextmanager
def litellm_proxy(upstream_url: str, *, filtered: bool = True) -> Iterator[str]:
    """Run the proxy in front of `upstream_url`, in one process; yields its URL.

    Args:
        filtered: Whether the content filter looks at requests and answers.
    """
    binaries, port = _environment(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_bytes(msgspec.json.encode(_config(upstream_url, filtered)))
        command = [
            str(binaries / "litellm"),
            "--config",
            str(config),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--num_workers",
            "1",
        ]
        variables = {
            **os.environ,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MODE": "PRODUCTION",
        }
        with serving(command, port, patience=180, env=variables):
            yield f"http://127.0.0.1:{port}"


def _config(upstream_url: str, filtered: bool) -> dict[str, object]:
    """Return the configuration; JSON is YAML."""
    model = {"model": "openai/scripted", "api_base": f"{upstream_url}/v1", "api_key": "none"}
    filters = {
        "guardrail_name": "content-filter",
        "litellm_params": {
            "guardrail": "litellm_content_filter",
            "mode": ["pre_call", "post_call"],
            "default_on": True,
            "patterns": [{"pattern_type": "prebuilt", "pattern_name": name, "action": "MASK"} for name in PATTERNS],
        },
    }
    return {
        "model_list": [{"model_name": "scripted", "litellm_params": model}],
        "guardrails": [filters] if filtered else [],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "set_verbose": False},
    }


def _environment() -> Path:
    """Return the folder of commands of a virtual environment that holds the proxy; it is kept for the next run."""
    folder = Path(tempfile.gettempdir()) / "litellm_proxy" / "venv"
    if not (folder / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", "litellm[proxy]"], check=True, stderr=subprocess.DEVNULL)
    return folder / "bin"


def main() -> None:
    """Measure the proxy with and without its filter."""
    with upstream() as url:
        for filtered in (True, False):
            with litellm_proxy(url, filtered=filtered) as proxy:
                target = f"{proxy}/v1/chat/completions"
                load(target, chat_request(), seconds=2, headers=HEADERS)
                seen = load(target, chat_request(), seconds=4, headers=HEADERS)
                name = "with its content filter" if filtered else "without a filter"
                print(f"LiteLLM {name}: {seen.per_second:,.0f} exchanges/s, p50 {seen.p50:.1f} ms, {seen.failed} failed")


if __name__ == "__main__":
    main()
