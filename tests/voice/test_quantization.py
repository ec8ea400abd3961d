"""Weights of eight bits: what they cost, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sovits.voice.quantization import to_int8

RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "convolution.weight": (RANDOM.standard_normal((16, 8, 9)) * np.logspace(-3, 2, 16)[:, None, None]).astype(np.float32),
    "head.basis": RANDOM.standard_normal((16, 1, 64)).astype(np.float32),
    "product": RANDOM.standard_normal((64, 64)).astype(np.float32),
}


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A convolution, an inverse transform and a product, one after another."""
    nodes = [
        helper.make_node("Conv", ["x", "convolution.weight"], ["c"]),
        helper.make_node("ConvTranspose", ["c", "head.basis"], ["t"]),
        helper.make_node("MatMul", ["t", "product"], ["y"]),
    ]
    made = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["texts", 8, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["texts", 1, 64])],
        [numpy_helper.from_array(values, name) for name, values in WEIGHTS.items()],
    )
    path = tmp_path / "full.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def output(path: Path, values: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(path).run(None, {"x": values})[0]


@pytest.mark.parametrize("products", [True, False])
def test_weights_are_rounded_channel_by_channel_and_transforms_are_kept(products: bool, graph: Path, tmp_path: Path) -> None:
    small = to_int8(graph, tmp_path / "int8.onnx", products)
    kept = {one.name: numpy_helper.to_array(one) for one in onnx.load(small).graph.initializer}
    rounded, scale = kept["convolution.weight.rounded"], kept["convolution.weight.scale"]
    assert rounded.dtype == np.int8
    # The quietest channel is told as finely as the loudest.
    assert (np.abs(rounded).reshape(16, -1).max(1) == 127).all()
    error = np.abs(rounded * scale[:, None, None] - WEIGHTS["convolution.weight"])
    assert (error <= 0.5001 * scale[:, None, None]).all()
    assert np.array_equal(kept["head.basis"], WEIGHTS["head.basis"])
    assert ("product" in kept) == (not products)
    values = RANDOM.standard_normal((3, 8, 9)).astype(np.float32)
    wanted, said = output(graph, values), output(small, values)
    assert 10 * np.log10(np.square(wanted).mean() / np.square(said - wanted).mean()) > 30
    assert small.stat().st_size < graph.stat().st_size - 3 * WEIGHTS["convolution.weight"].size * 0.9
