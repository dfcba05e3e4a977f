"""`use: onnx`: a text classifier that onnxruntime runs, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.detectors.classifiers.classifier import TextClassifier, build
from guard.detectors.classifiers.files import digest_of, folder_of, read_json, side_files
from guard.detectors.classifiers.network import Facts, Network, labels_of, token_limit
from guard.detectors.classifiers.onnx_network import OnnxNetwork, is_dynamic
from guard.errors import DetectorError, MissingExtra
from guard.runtime.cores import available_cores
from guard.runtime.shared import shared

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GRAPHS = ("model.onnx", "onnx/model.onnx")
"""Where exporters put the graph."""


def make(name: str, options: Mapping[str, Any]) -> TextClassifier:
    """Return the detector; a model that another detector of this process uses is not loaded again.

    Raises:
        MissingExtra: Where onnxruntime or tokenizers is missing.
        DetectorError: Where the model is missing, incomplete, no text classifier, or does not fit its labels.
    """
    try:
        import onnxruntime  # noqa: F401
        import tokenizers  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"the detector '{name}'", "onnx") from error
    wanted = options.get("file")
    patterns = [wanted, f"{wanted}_data", f"{wanted}.data"] if wanted else [*GRAPHS, *(f"{graph}*data" for graph in GRAPHS)]
    graph = _graph(name, folder_of(name, "onnx", options, patterns), wanted)
    folder = _beside(name, graph)
    weights = [graph, *sorted(graph.parent.glob(f"{graph.name}*data"))]
    digest = digest_of([*side_files(folder), *weights])
    threads = options.get("threads", available_cores())
    network = shared(
        ("onnx", digest, threads), lambda: _load(name, graph, folder, weights=weights, digest=digest, threads=threads)
    )
    return build(name, network, options)


def _graph(name: str, path: Path, wanted: str | None) -> Path:
    """Return the file of the graph in a model's folder, or `path` where that is one."""
    if path.is_file():
        return path
    candidates = [path / each for each in ([wanted] if wanted else GRAPHS)]
    found = [each for each in candidates if each.is_file()] or ([] if wanted else sorted(path.glob("*.onnx")))
    if not found:
        raise DetectorError(
            name, f"model: expected {wanted or ' or '.join(GRAPHS)} in {path}, found neither it nor another graph"
        )
    if found[0] not in candidates and len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise DetectorError(name, f"model: expected one graph in {path}, found {names}; choose one by `file:`")
    return found[0]


def _beside(name: str, graph: Path) -> Path:
    """Return the folder with the graph's config.json: its own, or the one above."""
    for folder in (graph.parent, graph.parent.parent):
        if (folder / "config.json").is_file():
            return folder
    raise DetectorError(name, f"model: expected config.json with `id2label` beside {graph}, found none")


def _load(name: str, graph: Path, folder: Path, *, weights: Sequence[Path], digest: str, threads: int) -> Network:
    config = read_json(name, folder / "config.json")
    about = read_json(name, folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    tokenizer = _tokenizer(name, folder, about)
    size = config.get("vocab_size")
    if isinstance(size, int) and tokenizer.get_vocab_size(with_added_tokens=True) > size:
        found = f"found {tokenizer.get_vocab_size(with_added_tokens=True)} tokens for a vocabulary of {size}"
        raise DetectorError(name, f"model: expected the tokenizer of this model, {found}; are its files of one model?")
    facts = Facts(
        labels=labels_of(config),
        problem=config.get("problem_type") or "",
        limit=token_limit(config, about.get("model_max_length")),
        pad=config.get("pad_token_id") or 0,
        alone=is_dynamic(weights[:1]),
        digest=digest,
        format="onnx",
    )
    return OnnxNetwork(name, facts, tokenizer, _session(name, graph, threads))


def _tokenizer(name: str, folder: Path, about: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer of tokenizer.json, or a WordPiece one on vocab.txt, as BERT's."""
    from tokenizers import Tokenizer
    from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

    path = folder / "tokenizer.json"
    if not path.is_file() and (folder / "vocab.txt").is_file():
        path = folder / "vocab.txt"
    try:
        if path.suffix == ".txt":
            lower = bool(about.get("do_lower_case", True))
            inner: Tokenizer = BertWordPieceTokenizer(vocab=str(path), lowercase=lower)._tokenizer
            return inner
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises bare exceptions
        expected = f"expected tokenizer.json or vocab.txt in {folder}"
        raise DetectorError(name, f"model: {expected}, found none that can be read ({type(error).__name__})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _session(name: str, graph: Path, threads: int) -> Any:  # noqa: ANN401
    """Load a graph. Threads that wait do not spin: they would take the cores from the event loop."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(graph), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception for each of its states
        reason = str(error).strip().split("\n")[0][:200]
        raise DetectorError(name, f"model: expected an ONNX graph in {graph}, found {type(error).__name__}: {reason}") from error
