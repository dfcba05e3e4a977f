"""The wheel, installed into an empty virtual environment outside the checkout, serves by itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.timeout(300)
def test_a_wheel_in_an_empty_environment_serves_the_guarded_demo(tmp_path: Path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "policies/default.yaml" in names
    assert wheel.stat().st_size < 30e6
    assert not any(name.startswith(("tests/", "benchmarks/", "docs/")) for name in names)

    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True, timeout=120)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, timeout=240, cwd=tmp_path)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True, timeout=60
    )
    packages = {line.partition("==")[0].lower() for line in listed.stdout.split()} - {"pip", "setuptools", "tenet-guard"}
    assert len(packages) <= 45
    assert not packages & {"torch", "transformers", "spacy", "presidio-analyzer"}

    command = [str(tmp_path / "env" / "bin" / "guard"), "serve", "--demo", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
            assert address
            body = {"model": "demo", "messages": [{"role": "user", "content": "Repeat: write to jane.doe@example.org"}]}
            answer = httpx.post(f"{address[0]}/v1/chat/completions", json=body, timeout=30)
        finally:
            server.terminate()
    assert answer.json()["choices"][0]["message"]["content"] == "write to [EMAIL]"
