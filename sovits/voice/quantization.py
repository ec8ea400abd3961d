"""ONNX graphs with weights of eight bits, for processors without much memory."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

KEPT = ("basis", "squared_window")
"""Weights that are no learned ones: the inverse Fourier transform must stay as quiet as it is."""
EXACT = ("decoder.pitch_predictor", "decoder.source")
"""Modules whose products stay in single precision: a rounding that depends on the call makes another pitch of a part than of the whole."""
SMALLEST = 1024
"""Numbers of a weight that is worth it."""


def to_int8(source: Path, target: Path, products: bool = True) -> Path:
    """Writes ``source`` with whole-number weights as ``target``.

    The weights of convolutions are rounded channel by channel, and become numbers of single precision again when the graph is loaded.

    Args:
        products: whether matrix products run in whole numbers too, their inputs rounded as they come, each call by its own range (dynamic
            quantization), and embeddings are looked up as such. Not for a graph that reads power spectra: eight bits hold no quiet band
            beside a loud one.
    """
    if not products:
        return _save(onnx.load(source), target)
    before = logging.root.manager.disable
    # It advises to infer shapes first, which these graphs have.
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            nodes_to_exclude=_exact_nodes(source),
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(before)
    return _save(onnx.load(target), target)


def _exact_nodes(path: Path) -> list[str]:
    nodes = onnx.load(path).graph.node
    return [node.name for node in nodes if any(part in told.value for told in node.metadata_props for part in EXACT)]


def _save(model: onnx.ModelProto, target: Path) -> Path:
    _round_convolutions(model.graph)
    onnx.save(model, target)
    return target


def _round_convolutions(graph: onnx.GraphProto) -> None:
    """Keeps the weights of convolutions as int8 with a scale for each of the first dimension (symmetric, by the largest)."""
    convolved = {node.input[1] for node in graph.node if node.op_type in ("Conv", "ConvTranspose")}
    for weight in [one for one in graph.initializer if one.name in convolved]:
        values = numpy_helper.to_array(weight)
        if values.size < SMALLEST or weight.name.rpartition(".")[2] in KEPT:
            continue
        largest = np.abs(values).reshape(len(values), -1).max(1)
        scales = (np.maximum(largest, np.finfo(np.float32).tiny) / 127).astype(np.float32)
        rounded = np.rint(values / scales.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
        zeros = np.zeros(len(values), dtype=np.int8)
        graph.initializer.remove(weight)
        for name, array in (("rounded", rounded), ("scale", scales), ("zero", zeros)):
            graph.initializer.append(numpy_helper.from_array(array, f"{weight.name}.{name}"))
        inputs = [f"{weight.name}.{name}" for name in ("rounded", "scale", "zero")]
        graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", inputs, [weight.name], axis=0))
