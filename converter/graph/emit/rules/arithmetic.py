"""Arithmetic of two values, or of a value and a number; casts; integers keep their dtype."""

from __future__ import annotations

import numpy as np

from converter.graph.emit.literals import literal
from converter.graph.emit.site import Rule, Site, rule

TO = {"float16": "half", "float32": "float", "float64": "double", "int32": "int", "int64": "long"}

# {a} and {b} are values or literals
ARITHMETIC = {
    "add": "{a} + {b}",
    "sub": "{a} - {b}",
    "mul": "{a} * {b}",
    "div": "{a} / {b}",
    "mod": "mod({a}, {b})",
    "power": "torch.pow({a}, {b})",
    "maximum": "torch.maximum({a}, {b})",
    "minimum": "torch.minimum({a}, {b})",
    "hypot": "torch.hypot({a}, {b})",
}
COMPARISONS = {
    "equal": "{a} == {b}",
    "not_equal": "{a} != {b}",
    "greater": "{a} > {b}",
    "greater_equal": "{a} >= {b}",
    "lesser": "{a} < {b}",
    "lesser_equal": "{a} <= {b}",
    "logical_and": "torch.logical_and({a}, {b})",
    "logical_or": "torch.logical_or({a}, {b})",
    "logical_xor": "torch.logical_xor({a}, {b})",
}
# The same on a value and a number
SCALARS = {
    "plus": "{a} + {b}",
    "minus": "{a} - {b}",
    "rminus": "{b} - {a}",
    "mul": "{a} * {b}",
    "div": "{a} / {b}",
    "rdiv": "{b} / {a}",
    "power": "torch.pow({a}, {b})",
    "rpower": "torch.pow({b}, {a})",
    "maximum": "{a}.clamp(min={b})",
    "minimum": "{a}.clamp(max={b})",
}
TRUTH = {  # of a number that is not 0, and of one that is
    "logical_and": ("{a} != 0", "torch.zeros_like({a}, dtype=torch.bool)"),
    "logical_or": ("torch.ones_like({a}, dtype=torch.bool)", "{a} != 0"),
    "logical_xor": ("{a} == 0", "{a} != 0"),
}


def cast(text: str, dtype: np.dtype[np.generic]) -> str:
    """A value with another dtype: `x.float()`."""
    name = str(dtype)
    if name in TO:
        return f"{text}.{TO[name]}()"
    return f"{text}.to({literal(dtype)})"


def whole(dtype: np.dtype[np.generic]) -> bool:
    """Whether a dtype is of integers."""
    return dtype.kind in "iu"


def _binary(site: Site, name: str) -> str:
    a, b = site.all()
    kinds = {site.spec(place).dtype for place in (0, 1)}
    if len(kinds) > 1:
        raise site.refuse(f"values of two dtypes: {', '.join(sorted(map(str, kinds)))}")
    dtype = site.spec().dtype
    if name in COMPARISONS:
        return cast(_parenthesized(COMPARISONS[name].format(a=a, b=b)), dtype)
    if whole(dtype) and name == "div":  # C++ divides integers towards zero
        return f'torch.div({a}, {b}, rounding_mode="trunc")'
    if whole(dtype) and name == "power":
        return cast(f"torch.pow({a}.double(), {b}.double())", dtype)
    if whole(dtype) and name == "hypot":
        raise site.refuse("integers are not supported")
    return ARITHMETIC[name].format(a=a, b=b)


def _parenthesized(text: str) -> str:
    return text if text.startswith("torch.") else f"({text})"


def _scalar(site: Site, name: str) -> str:
    a, scalar = site["data"], float(site.attributes["scalar"])
    taken, given = site.spec().dtype, site.out().dtype
    if whole(taken) and not site.attributes["is_int"]:  # MXNet computes in float64
        a, taken = cast(a, np.dtype(np.float64)), np.dtype(np.float64)
    if given != (taken if taken.kind != "b" else given):
        raise site.refuse(f"gives {given} of {taken}")
    if taken.kind == "b":
        a, taken = cast(a, given), given
    if whole(taken) and not np.isfinite(scalar):
        raise site.refuse(f"{scalar} beside integers")
    number = int(scalar) if whole(taken) else scalar  # MXNet makes it one of the value's dtype
    if name in TRUTH:
        return cast(_parenthesized(TRUTH[name][number == 0].format(a=a)), given)
    b = literal(number)
    if name in COMPARISONS:
        return cast(f"({COMPARISONS[name].format(a=a, b=b)})", given)
    if name in ("mod", "rmod"):
        return f"mod({a}, {b})" if name == "mod" else f"mod({b}, {a})"
    if name == "hypot":
        if whole(taken):
            raise site.refuse("integers are not supported")
        return f"torch.hypot({a}, torch.full_like({a}, {b}))"
    if whole(taken) and name in ("div", "rdiv"):
        if name == "div" and number == 0:
            raise site.refuse("divides integers by 0")
        over, under = (a, b) if name == "div" else (b, a)
        return f'torch.div({over}, {under}, rounding_mode="trunc")'
    if name == "power" and not whole(taken):
        if number == 2.0:
            return f"{a}.square()"
        if number == 0.5:
            return f"{a}.sqrt()"
    if name == "power" and whole(taken) and number < 0:
        return cast(f"torch.pow({a}.double(), {b})", taken)
    return SCALARS[name].format(a=a, b=b)


def _register() -> None:
    def binary(name: str) -> Rule:
        return lambda site: _binary(site, name)

    def scalar(name: str) -> Rule:
        return lambda site: _scalar(site, name)

    for name in [*ARITHMETIC, *COMPARISONS]:
        same = "elemwise_" if name in ("add", "sub", "mul", "div") else "_"
        rule(f"broadcast_{name}", f"{same}{name}")(binary(name))
    for name in {*SCALARS, *COMPARISONS, "mod", "rmod", "hypot"}:
        rule(f"_{name}_scalar")(scalar(name))


_register()


@rule("_grad_add")
def grad_add(site: Site) -> str:
    """A sum."""
    return _binary(site, "add")


@rule("add_n")
def add_n(site: Site) -> str:
    """The sum of all inputs."""
    return total(site.all())


def total(texts: list[str]) -> str:
    """The sum of several values."""
    few = len(texts) < 3 and not any("(" in text for text in texts)
    return " + ".join(texts) if few else f"sum(({', '.join(texts)}))"


@rule("Cast", "amp_cast")
def to(site: Site) -> str:
    """A value with another dtype. Casting to the dtype it has does nothing."""
    taken, given = site.spec().dtype, np.dtype(site.attributes["dtype"])
    if site.call.op == "amp_cast" and taken.kind != "f":
        return site["data"]  # only floating-point values are cast
    return site["data"] if taken == given else cast(site["data"], given)


@rule("amp_multicast")
def amp_multicast(site: Site) -> str:
    """All inputs with the widest dtype of them, or the narrowest."""
    dtypes = [site.spec(place).dtype for place in range(len(site.call.inputs))]
    if any(dtype.kind != "f" for dtype in dtypes):
        raise site.refuse("values that are no floating-point numbers")
    pick = min if site.attributes["cast_narrow"] else max
    wanted = pick(dtypes, key=lambda dtype: dtype.itemsize)
    texts = [
        text if dtype == wanted else cast(text, wanted)
        for text, dtype in zip(site.all(), dtypes, strict=True)
    ]
    return f"({', '.join(texts)})" if len(texts) > 1 else texts[0]


@rule("clip")
def clip(site: Site) -> str:
    """`clamp`."""
    low, high = site.attributes["a_min"], site.attributes["a_max"]
    if low > high:
        raise site.refuse("a_min is above a_max")
    if whole(site.spec().dtype):
        low, high = int(low), int(high)
    return f"{site['data']}.clamp({literal(low)}, {literal(high)})"


@rule("logical_not")
def logical_not(site: Site) -> str:
    """1 where a value is 0."""
    return cast(f"({site['data']} == 0)", site.spec().dtype)


@rule("where")
def where(site: Site) -> str:
    """`torch.where`; a condition with one axis chooses rows."""
    condition = site["condition"]
    rank = site.rank("x")
    if site.rank("condition") == 1 and rank > 1:
        condition = f"{condition}.reshape({', '.join(['-1', *['1'] * (rank - 1)])})"
    return f"torch.where({condition} != 0, {site['x']}, {site['y']})"


@rule("_contrib_div_sqrt_dim")
def div_sqrt_dim(site: Site) -> str:
    """Divided by the root of the last axis' size."""
    return f"div_sqrt_dim({site['data']})"


@rule("_contrib_quadratic")
def quadratic(site: Site) -> str:
    """A x² + b x + c."""
    a, b, c = (literal(site.attributes[name]) for name in "abc")
    return f"quadratic({site['data']}, {a}, {b}, {c})"


@rule("smooth_l1")
def smooth_l1(site: Site) -> str:
    """The smooth L1 loss of a difference."""
    if not site.attributes["scalar"]:
        raise site.refuse("scalar=0")
    return f"smooth_l1({site['data']}, {literal(site.attributes['scalar'])})"


@rule("hard_sigmoid")
def hard_sigmoid(site: Site) -> str:
    """Alpha x + beta, between 0 and 1."""
    a = site.attributes
    text = f"{literal(a['alpha'])} * {site['data']} + {literal(a['beta'])}"
    return f"torch.clamp({text}, 0.0, 1.0)"
