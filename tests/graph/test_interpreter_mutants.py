"""Every attribute of every recorded case is changed: the interpreter notices, or it says why."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from converter.errors import GraphError
from converter.graph.attributes import Attribute
from converter.graph.interpreter.operator import REFERENCES
from converter.graph.operators import Call, Program, understand
from converter.graph.symbol import parse_symbol
from tests.graph import recordings
from tests.graph.recordings import Case
from tests.graph.test_interpreter import REFUSED, WRONG, agrees, computed, supported

# Attributes of which a change is silent in some cases, and in which; in others it must be seen
EMPTY = "of all axes, without axes"
WHOLE = "of numbers that are real already"
SILENT: dict[tuple[str, str], str] = {
    ("Concat", "dim"): "of one array",
    ("Convolution", "dilate"): "of a kernel of one",
    ("Convolution", "layout"): "the data's own",
    ("Convolution_v1", "layout"): "the data's own",
    ("Crop", "offset"): "the middle is cropped",
    ("Crop", "h_w"): "the second input tells the size",
    ("Deconvolution", "adj"): "target_shape tells it",
    ("Deconvolution", "layout"): "the data's own",
    ("Deconvolution", "pad"): "target_shape tells it",
    ("FullyConnected", "flatten"): "of a matrix",
    ("GridGenerator", "target_shape"): "the flow tells the size",
    ("LeakyReLU", "lower_bound"): "of rrelu alone",
    ("LeakyReLU", "slope"): "of leaky and elu alone",
    ("LeakyReLU", "upper_bound"): "of rrelu alone",
    ("Pad", "constant_value"): "of mode constant alone",
    ("Pooling", "count_include_pad"): "of averages at the padding alone",
    ("Pooling", "kernel"): "global, or beyond the data",
    ("Pooling", "layout"): "the data's own",
    ("Pooling", "p_value"): "of lp alone",
    ("Pooling", "pad"): "global",
    ("Pooling", "pool_type"): "lp with p 1 is the sum",
    ("Pooling", "pooling_convention"): "the windows fit exactly, or global",
    ("Pooling", "stride"): "global, or one window",
    ("Pooling_v1", "kernel"): "global, or beyond the data",
    ("Pooling_v1", "pad"): "global",
    ("Pooling_v1", "pooling_convention"): "the windows fit exactly, or global",
    ("Pooling_v1", "stride"): "global",
    ("Reshape", "keep_highest"): "of target_shape alone",
    ("Reshape", "reverse"): "the sizes are the same from the right",
    ("Reshape", "shape"): "the size that is inferred is the same",
    ("Reshape", "target_shape"): "shape tells it",
    ("SequenceMask", "axis"): "without lengths",
    ("SequenceMask", "value"): "without lengths, or too large to tell",
    ("SliceChannel", "axis"): "of one part",
    ("SoftmaxOutput", "multi_output"): "of a matrix",
    ("SoftmaxOutput", "preserve_shape"): "of a matrix, or over channels",
    ("UpSampling", "multi_input_mode"): "of one image, or bilinear",
    ("UpSampling", "num_filter"): "nearest",
    ("_arange", "infer_range"): "stop tells the size",
    ("_arange", "stop"): "within the last step",
    ("_contrib_BilinearResize2D", "align_corners"): "the size stays",
    ("_contrib_BilinearResize2D", "height"): "of mode size alone",
    ("_contrib_BilinearResize2D", "mode"): "the size is the same",
    ("_contrib_BilinearResize2D", "scale_height"): "of modes size and odd_scale alone",
    ("_contrib_BilinearResize2D", "scale_width"): "of those modes, and with scale_height alone",
    ("_contrib_BilinearResize2D", "width"): "of mode size alone",
    ("_contrib_MultiBoxDetection", "clip"): "nothing is found",
    ("_contrib_MultiBoxDetection", "force_suppress"): "no boxes of two classes overlap",
    ("_contrib_MultiBoxDetection", "nms_threshold"): "nothing is suppressed",
    ("_contrib_MultiBoxDetection", "nms_topk"): "below 1 it is without limit",
    ("_contrib_MultiBoxDetection", "threshold"): "nothing is found",
    ("_contrib_MultiBoxDetection", "variances"): "nothing is found",
    ("_contrib_MultiBoxPrior", "clip"): "no box reaches beyond the image",
    ("_contrib_MultiBoxPrior", "steps"): "below 1 the image tells them",
    ("_contrib_ROIAlign", "sample_ratio"): "below 1 the region tells it",
    ("_contrib_box_decode", "clip"): "below 1 nothing is clipped",
    ("_contrib_box_nms", "background_id"): "without classes, or of a class that is not there",
    ("_contrib_box_nms", "force_suppress"): "without classes",
    ("_contrib_box_nms", "id_index"): "nothing is suppressed",
    ("_contrib_box_nms", "in_format"): "nothing is left",
    ("_contrib_box_nms", "out_format"): "nothing is left",
    ("_contrib_box_nms", "overlap_thresh"): "nothing is suppressed",
    ("_contrib_box_nms", "topk"): "more than there are",
    ("_contrib_box_nms", "valid_thresh"): "nothing is left",
    ("_full", "value"): "of bool",
    ("_ravel_multi_index", "shape"): "the first size is no factor",
    ("_split_v2", "indices"): "sections tell them",
    ("_unravel_index", "shape"): "the first size is no factor",
    ("amp_cast", "dtype"): "of integers",
    ("amp_multicast", "cast_narrow"): "of one dtype",
    ("broadcast_like", "lhs_axes"): "without rhs_axes",
    ("broadcast_like", "rhs_axes"): "without lhs_axes",
    ("clip", "a_min"): "too large to tell",
    ("diag", "axis1"): "of a vector",
    ("diag", "axis2"): "of a vector",
    ("dot", "transpose_a"): "of vectors",
    ("dot", "transpose_b"): "of a vector",
    ("norm", "out_dtype"): "the data's own",
    ("pick", "mode"): "no index is out of bounds",
    ("slice", "begin"): "beyond the data, or within the step",
    ("slice", "end"): "beyond the data, or within the step",
    ("slice", "step"): "it is 1 all the same",
    ("take", "mode"): "no index is out of bounds",
    ("topk", "dtype"): "without indices",
    **{
        (operator, attribute): reason
        for operator in ("softmax", "log_softmax", "softmin")
        for attribute, reason in (
            ("axis", "of one dimension"),
            ("dtype", "the data's own"),
            ("temperature", "it is 1 all the same"),
        )
    },
    **{
        (operator, "exclude"): EMPTY
        for operator in ("max", "mean", "min", "nanprod", "nansum", "prod", "sum")
    },
    **{(operator, "is_int"): WHOLE for operator in REFERENCES if operator.endswith("_scalar")},
    **{
        (f"_{name}_scalar", "scalar"): "no number lies between"
        for name in ("equal", "greater", "greater_equal", "lesser", "lesser_equal", "not_equal")
    },
    **{(f"_logical_{name}_scalar", "scalar"): "neither is 0" for name in ("and", "or", "xor")},
}
# Attributes of which a change is refused, and never computed to something else
ONE_VALUE = {("SpatialTransformer", "transform_type"), ("SpatialTransformer", "sampler_type")}


def changed(attribute: Attribute, value: Any, others: Mapping[str, Any]) -> Iterator[str]:
    """Other values of an attribute, as text: the other bool, each other name, each number + 1."""
    match attribute.type:
        case "bool":
            yield str(not value)
        case "enum" | "dtype":
            yield from (other for other in attribute.values if other != value)
        case "int" | "float":
            yield "1" if value is None else repr(value + 1)
        case "shape" | "bounds" | "floats" if value:
            for place, one in enumerate(value):
                other = [*value]
                other[place] = 1 if one is None else one + 1
                yield str(other)
        case "shape" | "bounds" | "floats":
            yield str([2] * len(others.get("kernel") or (0, 0)))


def cases() -> Iterator[tuple[Case, Program, list[Call]]]:
    """Every case that is computed, and the calls of its operator."""
    for case in recordings.cases():
        program = supported(case)
        if program is not None and str(case) not in REFUSED:
            yield case, program, [call for call in program.calls if call.op == case.operator]


def with_attribute(case: Case, node: str, attribute: str, text: str) -> str:
    """The symbol of a case, where one node states another value."""
    content = json.loads(case.symbol)
    (entry,) = (n for n in content["nodes"] if n["name"] == node and n["op"] != "null")
    entry.setdefault("attrs", {})[attribute] = text
    return json.dumps(content)


def outcome(case: Case, symbol: str, values: Mapping[str, np.ndarray], outputs: int) -> str:
    """Whether the changed case is refused, differs from the recording, or is silent."""
    try:
        program = understand(parse_symbol(symbol))
        found = computed(program, values)
    except GraphError:
        return "refused"
    if sum(call.outputs for call in program.calls) != outputs:
        return "differs"
    (wanted, *_) = (out for v, out in case.outputs.items() if (str(case), v) not in WRONG)
    pairs = zip(found, wanted, strict=True)
    return "silent" if all(agrees(case, *pair) for pair in pairs) else "differs"


@pytest.fixture(scope="module")
def mutants() -> dict[tuple[str, str], Counter[str]]:
    """What became of every change, by operator and attribute."""
    seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for case, program, found in cases():
        outputs = sum(call.outputs for call in program.calls)
        for call in found:
            for name, attribute in call.operator.attributes.items():
                for text in changed(attribute, call.attributes[name], call.attributes):
                    symbol = with_attribute(case, call.name, name, text)
                    seen[case.operator, name][outcome(case, symbol, case.values, outputs)] += 1
    return seen


def test_a_changed_attribute_is_noticed(mutants: dict[tuple[str, str], Counter[str]]) -> None:
    taken = {key: seen for key, seen in mutants.items() if key[1] in REFERENCES[key[0]].attributes}
    total = sum(taken.values(), Counter[str]())
    silent = {key for key, seen in taken.items() if seen["silent"]}
    assert not silent - {*SILENT}, "silent without a reason"
    assert not {*SILENT} - silent, "a reason for what is not silent"
    assert total["differs"] > 4000
    assert total["differs"] + total["refused"] > 5 * total["silent"]


def test_what_is_silent_in_one_case_is_noticed_in_another(
    mutants: dict[tuple[str, str], Counter[str]],
) -> None:
    for operator, attribute in SILENT:
        seen = mutants[operator, attribute]
        assert seen["differs"] or seen["refused"], (operator, attribute)


def test_every_attribute_that_is_taken_was_changed(
    mutants: dict[tuple[str, str], Counter[str]],
) -> None:
    recorded = {*recordings.operators()}
    for operator, reference in REFERENCES.items():
        for attribute in reference.attributes if operator in recorded else ():
            if (operator, attribute) not in ONE_VALUE:
                seen = mutants[operator, attribute]
                assert seen["differs"] + seen["refused"], (operator, attribute)


def test_attributes_without_effect_have_none(
    mutants: dict[tuple[str, str], Counter[str]],
) -> None:
    for operator, reference in REFERENCES.items():
        for attribute in reference.without_effect:
            assert not mutants[operator, attribute]["differs"], (operator, attribute)


# Operators whose inputs can change places, and cases of others
COMMUTES: tuple[str, ...]
COMMUTES = ("add", "add_n", "grad_add", "mul", "maximum", "minimum", "hypot", "equal", "not_equal")
COMMUTES += ("logical_and", "logical_or", "logical_xor")
THESE_TOO = {
    "UpSampling:sum",
    "dot:vectors",
}


def test_two_inputs_of_one_shape_do_not_change_places() -> None:
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for case, program, found in cases():
        variables = program.variables()
        outputs = sum(call.outputs for call in program.calls)
        for call in found:
            read = [
                variables[source.node]
                for name, source in zip(call.names, call.inputs, strict=True)
                if source.node in variables and name not in REFERENCES[call.op].unread
            ]
            for one, other in itertools.combinations(dict.fromkeys(read), 2):
                first, second = case.values[one], case.values[other]
                if first.dtype == second.dtype and not np.array_equal(first, second):
                    swapped = {**case.values, one: second, other: first}
                    seen[str(case)][outcome(case, case.symbol, swapped, outputs)] += 1
    silent = {case for case, results in seen.items() if results["silent"]}
    names = {
        case: case.split(":")[0].removeprefix("broadcast_").removeprefix("elemwise_").lstrip("_")
        for case in silent
    }
    assert {case for case in silent if names[case] not in COMMUTES} == THESE_TOO
    assert sum(results["differs"] for results in seen.values()) > 100


def other_shapes(array: np.ndarray) -> Iterator[np.ndarray]:
    """The array with an axis more and one less, with one longer, shorter and empty; of integers."""
    yield array[None]
    yield array.reshape(-1)
    yield np.ones(array.shape, np.int32 if array.dtype.kind == "f" else np.float32)
    for axis in range(array.ndim):
        yield array.take([0], axis)
        yield array.take([], axis)
        yield np.concatenate((array, array.take([-1], axis)), axis)
        yield array.take(0, axis)


def test_inputs_of_any_shape_are_computed_or_refused() -> None:
    """What does not fit is a GraphError that names the node, and nothing else."""
    seen: Counter[str] = Counter()
    for case, program, _ in cases():
        for name, array in case.values.items():
            for other in other_shapes(array):
                try:
                    computed(program, {**case.values, name: other})
                    seen["computed"] += 1
                except GraphError:
                    seen["refused"] += 1
    assert min(seen["computed"], seen["refused"]) > 3000
