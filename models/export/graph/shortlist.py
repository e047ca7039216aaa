"""The graph that shortlists logits on a device.

With it, a step copies a few hundred numbers for each KV slot to the host instead of all. With 64
slots and a vocabulary of 150,000, all of them are 19 MB in fp16 at every step.
``models/engine/shortlist.py`` samples from the shortlist.
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

_OPSET = 20


def build(file: Path, *, half: bool = True) -> None:
    """Write the graph, for logits in fp16 or in fp32.

    Inputs: ``logits`` [rows, vocabulary]; ``penalised`` int64 [rows, any], ids whose logits are
    divided by ``penalty`` [rows, 1] where they are over 0 and multiplied by it elsewhere (an id may
    be repeated, and counts once); ``temperature`` [rows, 1]; ``count`` [1].

    Outputs, after penalty and temperature: ``scores`` [rows, count], the highest in falling order;
    their ``ids``; ``log_sum`` [rows], the logarithm of the sum of all exponentials.
    """
    number = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["logits"], ["all"], to=TensorProto.FLOAT),
        helper.make_node("GatherElements", ["all", "penalised"], ["found"], axis=1),
        helper.make_node("Greater", ["found", "zero"], ["positive"]),
        helper.make_node("Div", ["found", "penalty"], ["divided"]),
        helper.make_node("Mul", ["found", "penalty"], ["multiplied"]),
        helper.make_node("Where", ["positive", "divided", "multiplied"], ["lowered"]),
        helper.make_node("ScatterElements", ["all", "penalised", "lowered"], ["fair"], axis=1),
        helper.make_node("Div", ["fair", "temperature"], ["tempered"]),
        helper.make_node(
            "TopK", ["tempered", "count"], ["scores", "ids"], axis=1, largest=1, sorted=1
        ),
        helper.make_node("ReduceLogSumExp", ["tempered", "last"], ["log_sum"], keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info("logits", number, ["rows", "vocabulary"]),
        helper.make_tensor_value_info("penalised", TensorProto.INT64, ["rows", "any"]),
        helper.make_tensor_value_info("penalty", TensorProto.FLOAT, ["rows", 1]),
        helper.make_tensor_value_info("temperature", TensorProto.FLOAT, ["rows", 1]),
        helper.make_tensor_value_info("count", TensorProto.INT64, [1]),
    ]
    outputs = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", "shortlisted"]),
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["rows", "shortlisted"]),
        helper.make_tensor_value_info("log_sum", TensorProto.FLOAT, ["rows"]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(nodes, "shortlist", inputs, outputs, constants)
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10),
        file,
    )
