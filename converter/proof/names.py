"""Question 2: the written names and shapes must be those of the Transformers class.

Transformers' own loader is too lenient to tell: it fills in what is missing and renames what it
half-recognises. The class is built on the meta device, so it costs no memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from converter.errors import ConvertError
from converter.planning.plan import TablePlan
from converter.proof.config_json import compare_config
from converter.proof.target import quiet_transformers
from converter.writing.shards import stored_in


@dataclass(frozen=True)
class Names:
    """`tensors` names of `transformers_class` were compared; `problems` says what differs.

    `edited` are the fields of config.json that are not as planned and change nothing.
    """

    passed: bool
    transformers_class: str
    tensors: int
    problems: tuple[str, ...]
    edited: tuple[str, ...] = ()


def check_names(plan: TablePlan, directory: Path) -> Names:
    """Compare `config.json` and the weights in `directory` with the class they are for."""
    problems: list[str] = []
    edited: tuple[str, ...] = ()
    tensors = 0
    try:
        written = written_shapes(directory)
        config = json.loads((directory / "config.json").read_text("utf-8"))
        with quiet_transformers(plan.transformers_class) as cls:
            fields = compare_config(plan.config, config, cls.config_class)
        problems += fields.problems
        edited = tuple(fields.edited)
        expected = _expected_names(plan)  # what was planned: a hostile config has 10**9 layers
        tensors = len(expected)
        # One tensor under several names: Transformers 5 has as many parameters, 4 shares one.
        copies = [
            {step.target for step in steps} for steps in plan.rows() if steps[0].operation == "copy"
        ]
        problems += _differences(expected, written, copies)
    except ConvertError:
        raise
    except Exception as error:  # Transformers states no errors: a config may break it anywhere
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        problems.append(
            f"{plan.transformers_class} cannot be built from what was written: {reason}"
        )
    return Names(not problems, plan.transformers_class, tensors, tuple(problems), edited)


def written_shapes(directory: Path) -> dict[str, tuple[int, ...]]:
    """Every stored tensor's name with its shape. Raises as `stored_in` does."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in {*stored_in(directory).values()}:
        with safe_open(path, framework="numpy") as file:
            shapes |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    return shapes


def _expected_names(plan: TablePlan) -> dict[frozenset[str], tuple[int, ...]]:
    """Each parameter of the class by the names that share it (tied ones have several)."""
    import torch

    with quiet_transformers(plan.transformers_class) as cls, torch.device("meta"):
        defaults = cls.config_class()
        unknown = [name for name in plan.overrides if not hasattr(defaults, name)]
        if unknown:
            raise ValueError(
                f"--config {unknown[0]}: {cls.config_class.__name__} has no such field"
            )
        if plan.config.get("model_type") != defaults.model_type:  # by which AutoModel finds it
            raise ValueError(
                f"config.json says model_type {plan.config.get('model_type')!r}, and the class is "
                f"of the type {defaults.model_type!r}"
            )
        model = cls(cls.config_class.from_dict(dict(plan.config)), **plan.target.init)
        model.tie_weights()
        state = model.state_dict(keep_vars=True)
    names: dict[int, set[str]] = {}
    for name, parameter in state.items():
        names.setdefault(id(parameter), set()).add(name)
    return {frozenset(group): tuple(state[min(group)].shape) for group in names.values()}


def _differences(
    expected: Mapping[frozenset[str], tuple[int, ...]],
    written: Mapping[str, tuple[int, ...]],
    copies: Iterable[set[str]],
) -> Iterator[str]:
    for group, shape in expected.items():
        stored = sorted(group & written.keys())
        if not stored:
            yield f"missing: {' = '.join(sorted(group))}"
        elif len(stored) > 1 and not any({*stored} <= targets for targets in copies):
            yield f"stored more than once: {' = '.join(stored)}"
        for name in stored:
            if written[name] != shape:
                yield f"wrong shape: {name} is {written[name]}, the class has {shape}"
    for name in sorted(written.keys() - frozenset().union(*expected)):
        yield f"unexpected: {name}"
