"""Negative control: an attribute that is changed changes what comes out, or is refused.

Where the source stays the same, `SAME` says why MXNet does not look at the attribute either. Where
the source changes and the output does not, the recorded values happen not to show it; each
attribute of each operator is shown by another case.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from converter.errors import GraphError
from converter.graph.attributes import Attribute
from converter.graph.emit import Emitted
from converter.graph.operators import Call
from converter.graph.operators import operators as known_operators
from tests.graph import recordings
from tests.graph.emitting import difference, emitted_of, program_of, run
from tests.graph.recordings import Case
from tests.graph.test_interpreter import computed

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
    pytest.mark.filterwarnings("ignore:dropout option adds dropout"),
]


def values(attribute: Attribute, text: str | None) -> Iterator[str]:
    """Other values of an attribute, as text."""
    if attribute.none and text != "None":
        yield "None"
    given = None if text in (None, "None") else attribute.read(str(text))
    match attribute.type:
        case "bool":
            yield str(not given)
        case "int":
            yield from (str((given or 0) + 1), str((given or 0) - 1))
        case "float":
            number = 1.0 if given is None else given
            yield from (str(number * 2 + 1), str(number / 2 - 0.25))
        case "shape" | "floats":
            items = list(given or ())
            for place, item in enumerate(items):
                if item is not None:
                    yield str((*items[:place], item + 1, *items[place + 1 :]))
            yield str(tuple(items[:-1]))
            if not items:
                yield from (str((n,) * count) for count in (1, 2, 3) for n in (1, 2))
        case _:
            # bfloat16 is planned as float32
            yield from (v for v in attribute.values if v not in (text, "bfloat16"))


Same = Callable[[Mapping[str, Any], Mapping[str, Any], Case], bool]
Reason = tuple[str, str, Same, str]


def _whole(case: Case) -> bool:
    return any(value.dtype.kind in "iu" for value in case.values.values())


def _rank(case: Case) -> int:
    return next(iter(case.values.values())).ndim


# operators and attribute (patterns), when the source may stay the same, and why
SAME: list[Reason] = [
    ("Concat", "dim", lambda a, b, c: a["num_args"] == 1, "one part is the whole"),
    ("SliceChannel", "axis", lambda a, b, c: a["num_outputs"] == 1, "one part is the whole"),
    ("Convolution.*|Deconvolution", "stride|dilate",
     lambda a, b, c: {*b["stride"], *b["dilate"]} - {*a["stride"], *a["dilate"]} <= {1},
     "1 is the default"),
    ("Convolution.*|Deconvolution|Pooling", "layout", lambda a, b, c: {a["layout"], b["layout"]}
     <= {None, "NCW", "NCHW", "NCDHW"}, "the default, by its name"),
    ("Crop", "h_w", lambda a, b, c: a["num_args"] == 2, "the size is the other value's"),
    ("Crop", "offset", lambda a, b, c: a["center_crop"], "the middle has no offset"),
    ("Deconvolution", "adj|pad", lambda a, b, c: any(a["target_shape"]), "target_shape tells it"),
    ("FullyConnected", "flatten", lambda a, b, c: _rank(c) == 2, "nothing to flatten"),
    ("GridGenerator", "target_shape", lambda a, b, c: a["transform_type"] == "warp",
     "a flow has its size"),
    ("LeakyReLU", ".*_bound", lambda a, b, c: a["act_type"] != "rrelu", "rrelu's alone"),
    ("LeakyReLU", "slope", lambda a, b, c: a["act_type"] not in ("leaky", "elu"),
     "of leaky and elu"),
    ("Pad", "constant_value", lambda a, b, c: a["mode"] != "constant", "of mode=constant"),
    ("Pooling", "count_include_pad", lambda a, b, c: b["count_include_pad"] is not False
     or a["pool_type"] != "avg" or not any(a["pad"]) or a["global_pool"],
     "true is the default; an average over padding alone asks for it"),
    ("Pooling", "p_value", lambda a, b, c: a["pool_type"] != "lp", "of pool_type=lp"),
    ("Pooling.*", "kernel|stride|pad|pooling_convention", lambda a, b, c: a["global_pool"],
     "global_pool ignores it"),
    ("Pooling.*", "stride", lambda a, b, c: {*b["stride"]} == {1} and not a["stride"],
     "1 is the default"),
    ("Pooling", "pad", lambda a, b, c: a["pooling_convention"] == "same" or not any(b["pad"]),
     "0 is the default"),
    ("RNN", "state_outputs", lambda a, b, c: True, "outputs that nothing takes"),
    ("Reshape", "keep_highest|target_shape", lambda a, b, c: a["shape"], "shape overrules them"),
    ("Reshape", "keep_highest|target_shape", lambda a, b, c: a["target_shape"][1:]
     == b["target_shape"][1:], "the first axis keeps its size either way"),
    ("Reshape", "reverse", lambda a, b, c: True, "read from either end, the codes say the same"),
    ("SequenceMask", "axis|value", lambda a, b, c: not a["use_sequence_length"], "no lengths"),
    ("SoftmaxActivation", "mode", lambda a, b, c: _rank(c) == 2, "one axis beside the first"),
    ("SoftmaxOutput", "multi_output|preserve_shape", lambda a, b, c: _rank(c) == 2
     or a["multi_output"], "one axis beside the first; multi_output overrules"),
    ("UpSampling", "multi_input_mode", lambda a, b, c: a["num_args"] == 1
     or a["sample_type"] == "bilinear", "one input"),
    ("UpSampling", "num_filter", lambda a, b, c: a["sample_type"] == "nearest", "of bilinear"),
    ("_contrib_AdaptiveAvgPooling2D", "output_size",
     lambda a, b, c: {*a["output_size"], *b["output_size"]} <= {1}, "1 is the default"),
    ("_contrib_BilinearResize2D", "height|width|scale_.*", lambda a, b, c: a["mode"] not in
     ("size", "odd_scale"), "the mode tells the size"),
    ("_contrib_BilinearResize2D", "height|width", lambda a, b, c: a["scale_height"] is not None,
     "scale_height overrules them"),
    ("_contrib_BilinearResize2D", "scale_width", lambda a, b, c: a["scale_height"] is None,
     "scale_height decides (BilinearSampleOpInferShape)"),
    ("_.*_scalar", "is_int", lambda a, b, c: not _whole(c), "of integers"),
    ("_logical_.*_scalar", "scalar", lambda a, b, c: bool(a["scalar"]) == bool(b["scalar"]),
     "true or not"),
    ("_rnn_param_concat", "dim", lambda a, b, c: True, "-1 is the only axis"),
    ("_split_v2", "indices", lambda a, b, c: a["sections"] > 0, "sections overrules them"),
    ("amp_cast", "dtype", lambda a, b, c: _whole(c), "integers are not cast"),
    ("amp_multicast", "cast_narrow", lambda a, b, c: True, "of values of one dtype, or two"),
    ("clip", "a_min|a_max", lambda a, b, c: _whole(c), "the integer part is the same"),
    ("diag", "axis.", lambda a, b, c: _rank(c) == 1, "of matrices"),
    ("dot", "transpose_b", lambda a, b, c: "vector" in c.name, "a vector has one axis"),
    ("(log_)?softm.*", "axis", lambda a, b, c: _rank(c) == 1, "-1 is the only axis"),
    ("(log_)?softm.*", "dtype", lambda a, b, c: True, "float32 of float32"),
    ("(log_)?softm.*", "use_length", lambda a, b, c: not b["use_length"], "None is False"),
    ("max|mean|min|nan.*|norm|prod|sum", "axis", lambda a, b, c: not b["axis"], "() is None"),
    ("max|mean|min|nan.*|prod|sum", "exclude", lambda a, b, c: not a["axis"],
     "with an axis alone"),
    ("norm", "out_dtype", lambda a, b, c: True, "the dtype that it has"),
    ("one_hot", "o.*_value", lambda a, b, c: "int" in a["dtype"], "the integer part is the same"),
    ("reshape_like", ".hs_begin", lambda a, b, c: True, "None is 0"),
    ("take", "axis", lambda a, b, c: True, "-1 is the only axis"),
    ("topk", "dtype", lambda a, b, c: a["ret_typ"] in ("value", "mask"), "of places"),
    ("topk", "k", lambda a, b, c: a["k"] < 1 and b["k"] < 1, "less than 1 is all"),
]  # fmt: skip


def explained(key: str, before: Call, after: Call, case: Case) -> bool:
    """Whether `SAME` has a reason for a source that stays the same."""
    return any(
        re.fullmatch(operators, before.op)
        and re.fullmatch(attribute, key)
        and same(before.attributes, after.attributes, case)
        for operators, attribute, same, _ in SAME
    )


def mutants(case: Case) -> Iterator[tuple[str, str, Case]]:
    """Each attribute of each node changed: operator, attribute, and the changed case."""
    symbol = json.loads(case.symbol)
    for place, node in enumerate(symbol["nodes"]):
        operator = known_operators().get(node["op"])
        if operator is None:
            continue
        for key, attribute in operator.attributes.items():
            text = node.get("attrs", {}).get(key, attribute.default)
            if key in operator.ignored:
                continue
            for value in values(attribute, text):
                try:
                    if text is not None and attribute.read(value) == attribute.read(text):
                        continue
                except ValueError:
                    pass
                changed = json.loads(case.symbol)
                changed["nodes"][place].setdefault("attrs", {})[key] = value
                yield operator.name, key, dataclasses.replace(case, symbol=json.dumps(changed))


TOTAL: Counter[str] = Counter()
CLOSE, HALF = 1e-4, 2e-3  # of the largest value, where a float16 takes part the second
# What values alone decide: of other values both sides compute, or MXNet itself fails
VALUES = {
    ("take", "axis"): "mode=raise, and an index that is not there",
    ("take", "mode"): "the same",
    ("_contrib_ROIAlign", "aligned"): "regions without a size, which MXNet divides by 0",
    ("_contrib_ROIAlign", "spatial_scale"): "the same",
}


def together(case: Case, emitted: Emitted, key: str = "") -> tuple[np.ndarray, ...] | None:
    """What the module gives: the reference computes the same, or both fail because of the values.

    What is planned is converted: neither side may then refuse it.
    """
    program = program_of(case)
    try:
        theirs = computed(program, case.values)
    except GraphError as error:
        if (case.operator, key) not in VALUES:
            pytest.fail(f"{case} {key}: only the proof refuses: {error}")
        return None
    ours = run(emitted, case.values)
    kinds = {value.dtype for value in (*case.values.values(), *theirs)}
    allowed = HALF if np.dtype(np.float16) in kinds else CLOSE
    for pair in zip(ours, theirs, strict=True):
        assert difference(*pair) <= allowed, f"{case} {key}: the two sides differ: {case.symbol}"
    return ours


@pytest.mark.parametrize("operator", recordings.operators())
def test_a_changed_attribute_is_seen(operator: str) -> None:
    """And every value that is planned is computed by both sides, to the same numbers."""
    torch.manual_seed(0)
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    problems = []
    for case in recordings.cases_of(operator):
        version = [*case.outputs][-1]
        try:
            emitted = emitted_of(case, version)
        except GraphError:
            continue
        outputs = together(case, emitted)
        assert outputs is not None
        for name, key, mutant in mutants(case):
            try:
                other = emitted_of(mutant, version)
            except GraphError:
                found[name, key]["refused"] += 1
                continue
            if other.source == emitted.source:
                pair = [
                    next(c for c in program_of(each).calls if c.op == name)
                    for each in (case, mutant)
                ]
                if not explained(key, pair[0], pair[1], case):
                    problems.append(f"{case}: {key}: {mutant.symbol}")
                found[name, key]["same source"] += 1
                continue
            ours = together(mutant, other, key)
            if ours is None:
                found[name, key]["refused"] += 1
                continue
            pairs = zip(ours, outputs, strict=False)
            apart = max((difference(a, b) for a, b in pairs), default=math.inf)
            seen = len(ours) != len(outputs) or apart > 1e-6
            found[name, key]["differs" if seen else "same output"] += 1
    for (name, key), counts in found.items():
        TOTAL.update(counts)
        unseen = not counts["differs"] + counts["refused"]
        if unseen and counts["same output"]:
            problems.append(f"{name}: no case shows {key}: {dict(counts)}")
    assert not problems, "\n".join(problems)


def test_most_changes_are_seen() -> None:
    """After the test above; alone it has nothing to count."""
    if TOTAL:
        assert TOTAL["same output"] < 0.1 * TOTAL["differs"]


def test_every_ignored_attribute_is_one() -> None:
    for operator in known_operators().values():
        if operator.attributes:  # one without any takes all, and reads none
            assert {*operator.ignored} <= {*operator.attributes}
        assert {*operator.only} <= {*operator.attributes}
