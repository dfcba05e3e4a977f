"""A model that cannot be used says so when it is loaded: where, what was expected, what was found."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from detectors.classifiers import checkpoints

from guard.detectors.classifiers import detoxify_models, onnx_models, transformers_models
from guard.errors import DetectorError, MissingExtra

for package in ("detoxify", "transformers", "onnx", "tokenizers"):
    pytest.importorskip(package)


@pytest.fixture
def copied(transformers_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(transformers_folder, tmp_path / "model"))


@pytest.fixture
def graph(onnx_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(onnx_folder, tmp_path / "model"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("make", [transformers_models.make, onnx_models.make])
def test_a_path_without_anything_there(make, tmp_path: Path):
    with pytest.raises(DetectorError, match=r"'own'.*model: expected a file or folder, found nothing at .*missing"):
        make("own", {"model": str(tmp_path / "missing")})


@pytest.mark.parametrize("make", [transformers_models.make, onnx_models.make])
def test_a_folder_without_weights(make, tmp_path: Path):
    with pytest.raises(DetectorError, match=r"model: expected model\.\w+.* in .*found n"):
        make("own", {"model": str(tmp_path)})


@pytest.mark.parametrize("make", [transformers_models.make, onnx_models.make])
def test_a_model_of_the_hub_that_the_cache_does_not_have(make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DetectorError, match=r"could not get nobody/nothing.*a path begins with"):
        make("own", {"model": "nobody/nothing", "revision": "0" * 40})


def test_a_model_of_the_hub_is_read_from_its_cache_at_the_revision(monkeypatch, tmp_path: Path, transformers_folder: Path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    shutil.copytree(transformers_folder, tmp_path / "models--us--toxic" / "snapshots" / ("a" * 40))
    found = transformers_models.make("own", {"model": "us/toxic", "revision": "a" * 40})
    assert found.version == transformers_models.make("own", {"model": str(transformers_folder)}).version
    with pytest.raises(DetectorError, match="could not get us/toxic"):
        transformers_models.make("own", {"model": "us/toxic", "revision": "b" * 40})


def test_truncated_safetensors(copied: Path):
    truncate(copied / "model.safetensors")
    with pytest.raises(DetectorError, match=r"model: expected a model for sequence classification in .*found SafetensorError"):
        transformers_models.make("own", {"model": str(copied)})


def test_pickled_weights_are_refused_unless_the_policy_allows_them(tmp_path: Path):
    checkpoints.save_pickled(tmp_path)
    with pytest.raises(DetectorError, match=r"found pytorch_model.bin, which is a pickle.*allow_pickle: true"):
        transformers_models.make("own", {"model": str(tmp_path)})


def test_a_model_without_a_head_for_classification_does_not_get_a_random_one(tmp_path: Path):
    from transformers import BertModel

    BertModel(checkpoints.config(checkpoints.JIGSAW)).save_pretrained(tmp_path)
    checkpoints.save_tokenizer(tmp_path)
    with pytest.raises(DetectorError, match=r"expected all weights of BertForSequenceClassification, found no classifier"):
        transformers_models.make("own", {"model": str(tmp_path)})


def test_weights_of_another_size(copied: Path):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(DetectorError, match="model: expected a model for sequence classification"):
        transformers_models.make("own", {"model": str(copied)})


@pytest.mark.parametrize("config", ["{", "[]", '{"model_type": "made-up"}', '{"model_type": "vit"}'])
def test_a_configuration_that_is_none_of_a_text_classifier(copied: Path, config: str):
    (copied / "config.json").write_text(config)
    with pytest.raises(DetectorError, match="'own' gave no verdict: model: expected"):
        transformers_models.make("own", {"model": str(copied)})


def test_code_that_comes_with_a_model_never_runs(copied: Path):
    config = json.loads((copied / "config.json").read_text())
    auto = {"AutoConfig": "evil.Config", "AutoModelForSequenceClassification": "evil.Model"}
    (copied / "config.json").write_text(json.dumps({**config, "model_type": "evil", "auto_map": auto}))
    (copied / "evil.py").write_text(f"open({str(copied / 'ran')!r}, 'w')")
    with pytest.raises(DetectorError, match="model: expected a model for sequence classification"):
        transformers_models.make("own", {"model": str(copied)})
    assert not (copied / "ran").exists()


@pytest.mark.parametrize("kept", [[], ["tokenizer_config.json"]])
def test_a_model_without_its_tokenizer(copied: Path, kept: list[str]):
    for path in [*copied.glob("tokenizer*"), copied / "vocab.txt"]:
        if path.name not in kept:
            path.unlink()
    with pytest.raises(DetectorError, match="model: expected"):
        transformers_models.make("own", {"model": str(copied)})


def test_a_tokenizer_that_knows_more_tokens_than_the_model(copied: Path, tmp_path: Path):
    from tokenizers.implementations import BertWordPieceTokenizer

    vocabulary = tmp_path / "more.txt"
    vocabulary.write_text("\n".join([*checkpoints.VOCABULARY, "more", "words"]) + "\n")
    BertWordPieceTokenizer(vocab=str(vocabulary)).save(str(copied / "tokenizer.json"))
    with pytest.raises(DetectorError, match="expected the tokenizer of this model, found"):
        transformers_models.make("own", {"model": str(copied)})


def test_a_label_that_the_model_lacks(transformers_folder: Path):
    with pytest.raises(DetectorError, match=r'expected labels of the model .*found "toxicity".*did you mean `toxic`'):
        transformers_models.make("own", {"model": str(transformers_folder), "labels": {"toxicity": "toxicity"}})


def test_candidates_too_long_for_the_model(nli_folder: Path):
    options = {"model": str(nli_folder), "task": "zero-shot", "candidates": {"love " * 60: "topic"}}
    with pytest.raises(DetectorError, match="tokens: expected room for 8 tokens"):
        transformers_models.make("own", options)


def test_a_device_that_is_not_there(transformers_folder: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DetectorError, match="device: expected a CUDA device"):
        transformers_models.make("own", {"model": str(transformers_folder), "device": "cuda"})


@pytest.mark.parametrize(
    ("make", "package", "extra"),
    [
        (transformers_models.make, "transformers", "transformers"),
        (detoxify_models.make, "detoxify", "detoxify"),
        (onnx_models.make, "tokenizers", "onnx"),
    ],
)
def test_a_missing_package_names_the_extra(make, package: str, extra: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"the detector 'own' needs: pip install 'tenet-guard\[{extra}\]'"):
        make("own", {"model": "./model"})


def test_a_detoxify_checkpoint_is_unpickled_only_where_the_policy_allows_it(detoxify_checkpoint: Path):
    with pytest.raises(DetectorError, match=r"allow_pickle: expected true, found a checkpoint, toxic\.ckpt, which is a pickle"):
        detoxify_models.make("own", {"checkpoint": str(detoxify_checkpoint)})


def detoxify(path: Path) -> None:
    detoxify_models.make("own", {"checkpoint": str(path), "allow_pickle": True})


def test_a_detoxify_checkpoint_that_is_missing_or_truncated(tmp_path: Path, detoxify_checkpoint: Path):
    with pytest.raises(DetectorError, match="checkpoint: expected a file of Detoxify's format, found none at"):
        detoxify(tmp_path / "missing.ckpt")
    path = Path(shutil.copy(detoxify_checkpoint, tmp_path))
    truncate(path)
    with pytest.raises(DetectorError, match=r"checkpoint: expected a checkpoint of Detoxify in .*is it complete"):
        detoxify(path)


@pytest.mark.parametrize("broken", ["config", "classes", "weights", "other"])
def test_a_checkpoint_that_is_none_of_detoxify_s(tmp_path: Path, detoxify_checkpoint: Path, broken: str):
    import torch

    loaded = torch.load(detoxify_checkpoint, weights_only=False)
    if broken == "config":
        del loaded["config"]
    if broken == "classes":
        loaded["config"]["arch"]["args"]["num_classes"] = 7
    if broken == "weights":
        del loaded["state_dict"]["classifier.weight"]
    path = tmp_path / "broken.ckpt"
    torch.save([1, 2] if broken == "other" else loaded, path)
    with pytest.raises(DetectorError, match="checkpoint: expected"):
        detoxify(path)


def published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch looks for the published model."""
    import torch

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    (folder / "checkpoints").mkdir()
    return folder / "checkpoints" / "toxic_original-c1212f89.ckpt"


def test_a_published_detoxify_model_is_read_from_torch_s_cache_without_unpickling(detoxify_checkpoint, tmp_path, monkeypatch):
    shutil.copy(detoxify_checkpoint, published(tmp_path, monkeypatch))
    assert detoxify_models.make("own", {"model": "original"}).categories[0] == "toxicity"


class Evil:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_published_model_that_would_run_code_is_refused(tmp_path, monkeypatch, capsys):
    import torch

    torch.save({"config": Evil(), "state_dict": {}}, published(tmp_path, monkeypatch))
    with pytest.raises(DetectorError, match="does it need `allow_pickle: true`"):
        detoxify_models.make("own", {})
    assert "this ran" not in capsys.readouterr().out


def test_a_published_model_that_cannot_be_downloaded_says_where_to_put_it(tmp_path, monkeypatch):
    import torch

    def download(url: str, path: str, hash_prefix: str, progress: bool) -> None:
        assert (url.rpartition("/")[2], hash_prefix, progress) == (path.rpartition("/")[2], "c1212f89", False)
        raise OSError("no network")

    published(tmp_path, monkeypatch)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(DetectorError, match=r"expected to get https://.*found OSError; put the file into .*checkpoints"):
        detoxify_models.make("own", {})


def onnx(folder: Path, **options: object) -> None:
    onnx_models.make("own", {"model": str(folder), **options})


@pytest.mark.parametrize("content", [b"", b"not a graph", None])
def test_a_broken_graph(graph: Path, content: bytes | None):
    path = graph / "model.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    with pytest.raises(DetectorError, match=r"model: expected an ONNX graph in .*model\.onnx, found"):
        onnx(graph)


def test_a_graph_of_images_is_no_text_classifier(graph: Path):
    from onnx import TensorProto, helper, save

    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])
    inner = helper.make_graph([helper.make_node("Relu", ["pixels"], ["scores"])], "images", [pixels], [scores])
    save(helper.make_model(inner, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), graph / "model.onnx")
    with pytest.raises(DetectorError, match="found pixels; it is no text classifier"):
        onnx(graph)


def test_a_graph_for_a_fixed_number_of_texts(tmp_path: Path):
    with pytest.raises(DetectorError, match="expected a free number of rows, found 4"):
        onnx(checkpoints.save_onnx(tmp_path, fixed=(4, 16)))


def test_labels_that_do_not_fit_the_outputs(graph: Path):
    config = json.loads((graph / "config.json").read_text())
    (graph / "config.json").write_text(json.dumps({**config, "id2label": {"0": "toxic", "1": "insult"}}))
    with pytest.raises(DetectorError, match=r"expected 2 outputs for a text, as it has labels, found shape \(1, 6\)"):
        onnx(graph)


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (["config.json"], "expected config.json with `id2label`"),
        (["tokenizer.json", "vocab.txt"], "expected tokenizer.json or vocab.txt"),
        (["model.onnx"], "expected model.onnx or onnx/model.onnx"),
    ],
)
def test_a_missing_file_is_named(graph: Path, gone: list[str], expected: str):
    for name in gone:
        (graph / name).unlink()
    with pytest.raises(DetectorError, match=expected):
        onnx(graph)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_truncated_file_is_named(graph: Path, name: str):
    truncate(graph / name)
    with pytest.raises(DetectorError, match=r"model: expected .*(config\.json|tokenizer\.json)"):
        onnx(graph)


def test_a_tokenizer_of_another_model(graph: Path):
    config = json.loads((graph / "config.json").read_text())
    (graph / "config.json").write_text(json.dumps({**config, "vocab_size": 20}))
    with pytest.raises(DetectorError, match="expected the tokenizer of this model, found"):
        onnx(graph)


def test_one_of_several_graphs_must_be_chosen(graph: Path):
    shutil.copy(graph / "model.onnx", graph / "a.onnx")
    (graph / "model.onnx").rename(graph / "b.onnx")
    with pytest.raises(DetectorError, match=r"found a.onnx, b.onnx; choose one by `file:`"):
        onnx(graph)
    onnx(graph, file="a.onnx")
    with pytest.raises(DetectorError, match=r"expected c\.onnx"):
        onnx(graph, file="c.onnx")
