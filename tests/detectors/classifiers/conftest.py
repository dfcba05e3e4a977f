"""One checkpoint of each format for all tests of local classifiers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from detectors.classifiers import checkpoints

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    if find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def transformers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.save_transformers(tmp_path_factory.mktemp("transformers"))


@pytest.fixture(scope="session")
def nli_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.save_transformers(tmp_path_factory.mktemp("nli"), checkpoints.NLI, None)


@pytest.fixture(scope="session")
def detoxify_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.save_detoxify(tmp_path_factory.mktemp("detoxify"))


@pytest.fixture(scope="session")
def onnx_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.save_onnx(tmp_path_factory.mktemp("onnx")).parent


@pytest.fixture(scope="session")
def int8_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.save_onnx(tmp_path_factory.mktemp("int8"), quantized=True).parent
