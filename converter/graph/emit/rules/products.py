"""Products of matrices."""

from __future__ import annotations

from converter.graph.emit.literals import literal
from converter.graph.emit.site import Site, rule


@rule("dot")
def dot(site: Site) -> str:
    """`@`; of more axes, `torch.tensordot` of the last with the first (transposed: otherwise)."""
    a, (x, y) = site.attributes, site.all()
    ranks = site.rank(0), site.rank(1)
    if ranks == (1, 1):
        return f"torch.dot({x}, {y}).reshape(1)"
    if ranks == (2, 2):
        x = f"{x}.t()" if a["transpose_a"] else x
        y = f"{y}.t()" if a["transpose_b"] else y
        return product(x, y)
    ours = 0 if a["transpose_a"] else ranks[0] - 1
    theirs = ranks[1] - 1 if a["transpose_b"] else 0
    return f"torch.tensordot({x}, {y}, dims=([{ours}], [{theirs}]))"


@rule("batch_dot")
def batch_dot(site: Site) -> str:
    """`@` of the last two axes."""
    return product(*_turned(site, *site.all()))


def product(x: str, y: str) -> str:
    """A product of matrices."""
    return f"torch.matmul({x}, {y})" if "(" in x + y else f"{x} @ {y}"


def _turned(site: Site, x: str, y: str) -> tuple[str, str]:
    a, rank = site.attributes, site.rank()
    if rank != site.rank(1) or rank < 2:
        raise site.refuse(f"values with {rank} and {site.rank(1)} axes")
    turn = f".transpose({rank - 2}, {rank - 1})"
    return x + turn * a["transpose_a"], y + turn * a["transpose_b"]


@rule("_linalg_gemm", "_linalg_gemm2")
def gemm(site: Site) -> str:
    """Alpha A B, and beta C."""
    a = site.attributes
    if a["axis"] != -2:
        raise site.refuse(f"axis={a['axis']} is not supported")
    x, y = _turned(site, site["A"], site["B"])
    if site.call.op == "_linalg_gemm2":
        if a["alpha"] == 1.0:
            return product(x, y)
        return f"torch.mul(torch.matmul({x}, {y}), {literal(a['alpha'])})"
    return f"gemm({x}, {y}, {site['C']}, {literal(a['alpha'])}, {literal(a['beta'])})"


@rule(
    "_contrib_interleaved_matmul_selfatt_qk",
    "_contrib_interleaved_matmul_selfatt_valatt",
    "_contrib_interleaved_matmul_encdec_qk",
    "_contrib_interleaved_matmul_encdec_valatt",
)
def interleaved(site: Site) -> str:
    """Attention of heads whose projections stand side by side."""
    name = site.call.op.removeprefix("_contrib_interleaved_matmul_")
    return f"{name}({', '.join(site.all())}, {site.attributes['heads']})"
