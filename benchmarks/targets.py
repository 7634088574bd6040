"""What was to be reached, judged on figures.json: ratios within a round, medians over the rounds.

Needs no plotting library, so that README's figures can be made from the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

CP, NUMPY, OLD = "cp of the bytes written", "python -c 'import numpy'", "the old way"
FAST, VERIFIED = "bort-convert --no-verify", "bort-convert, verified"
UNFLUSHED = "bort-convert --no-verify, no fsync"
ALONE = "bort-convert, verified, --jobs 1"
PROOF_MB = 1400  # 1 GB beside what importing torch and Transformers takes, about 0.4 GB
OWN_IMPORTS = "the same, as bort-convert imports it"
LOAD = "mx.nd.load alone"

Bort = Mapping[str, Mapping[str, list[float]]]


@dataclass(frozen=True)
class Target:
    """One thing to be reached: `measured` must be at most `limit`, or at least, as `most` says."""

    text: str
    measured: float
    limit: float
    unit: str
    most: bool = True

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.measured <= self.limit if self.most else self.measured >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.most else "≥"
        verdict = "met" if self.met else "**not met**"
        return (
            f"| {self.text} | {sign} {self.limit:g} {self.unit} | {self.measured:.2f} | {verdict} |"
        )


def wall_ratio(bort: Bort, over: Callable[..., float], under: Callable[..., float]) -> float:
    """The median over the rounds of two figures' ratio; each takes a round's wall times by name."""
    names = [*bort]
    rounds = zip(*(bort[name]["wall_s"] for name in names), strict=True)
    taken = [dict(zip(names, walls, strict=True)) for walls in rounds]
    return median(over(wall) / under(wall) for wall in taken)


def memory(bort: Bort, name: str) -> float:
    """The median peak memory in MB."""
    return median(bort[name]["memory_mb"])


def targets(figures: Mapping[str, Any], proofs: Mapping[str, Any]) -> list[Target]:
    """Every target of a full-size Bort's conversion, of growing exports, and of growing proofs."""
    bort, growth = figures["bort"], figures["growth"]
    sizes = sorted(growth, key=float)
    peaks = [median(growth[size]["export"]["memory_mb"]) for size in sizes]
    return [
        Target(
            "`--no-verify` ÷ (`cp` + `import numpy`), wall time",
            wall_ratio(bort, lambda w: w[FAST], lambda w: w[CP] + w[NUMPY]),
            1.5,
            "×",
        ),
        Target(
            "the old way ÷ `--no-verify`, wall time",
            wall_ratio(bort, lambda w: w[OLD], lambda w: w[FAST]),
            8,
            "×",
            most=False,
        ),
        Target("`--no-verify`, peak memory", memory(bort, FAST), 64, "MB"),
        Target(
            f"`export`, peak memory, {sizes[0]} to {sizes[-1]} GB: largest ÷ smallest",
            max(peaks) / min(peaks),
            1.1,
            "×",
        ),
        Target(
            f"`export`, seconds a GB from {sizes[-2]} to {sizes[-1]} GB ÷ from "
            f"{sizes[0]} to {sizes[-2]} GB (linear: 1)",
            slope(growth, sizes[-2], sizes[-1]) / slope(growth, sizes[0], sizes[-2]),
            1.25,
            "×",
        ),
        Target(
            "verified ÷ the old way, wall time",
            wall_ratio(bort, lambda w: w[VERIFIED], lambda w: w[OLD]),
            1,
            "×",
        ),
        Target(
            "verified ÷ verified in one process (`--jobs 1`), wall time",
            wall_ratio(bort, lambda w: w[VERIFIED], lambda w: w[ALONE]),
            0.75,
            "×",
        ),
        Target(
            "verified ÷ verified in one process (`--jobs 1`), peak memory",
            memory(bort, VERIFIED) / memory(bort, ALONE),
            1,
            "×",
        ),
        Target(
            "verified ÷ the old way, peak memory",
            memory(bort, VERIFIED) / memory(bort, OLD),
            0.5,
            "×",
        ),
        Target(
            "(verified − importing the class as it does) ÷ the old way, wall time",
            wall_ratio(bort, lambda w: w[VERIFIED] - w[OWN_IMPORTS], lambda w: w[OLD]),
            0.25,
            "×",
        ),
        Target(
            f"proofs of {min(sizes_of(proofs)):.1f} to {max(sizes_of(proofs)):.1f} GB, "
            "largest peak memory",
            max(run["memory_mb"] for run in proofs.values()),
            PROOF_MB,
            "MB",
        ),
    ]


def sizes_of(proofs: Mapping[str, Any]) -> list[float]:
    """How large the files of the proofs are, in GB."""
    return [run["gb"] for run in proofs.values()]


def slope(growth: Mapping[str, Any], small: str, large: str, name: str = "export") -> float:
    """Seconds that `export`, or `cp`, takes for each GB more."""
    times: list[float] = [median(growth[size][name]["wall_s"]) for size in (small, large)]
    return (times[1] - times[0]) / (float(large) - float(small))


def in_short(figures: Mapping[str, Any]) -> str:
    """The figures that a user cares about: time and memory against the old way."""
    bort = figures["bort"]
    rows = [
        "| | wall time | of the old way's | peak memory | of the old way's |",
        "|---|---|---|---|---|",
    ]
    for text, name in (("verified", VERIFIED), ("`--no-verify`", FAST), ("the old way", OLD)):
        time = wall_ratio(bort, lambda w, n=name: w[n], lambda w: w[OLD])
        space = memory(bort, name) / memory(bort, OLD)
        rows.append(
            f"| {text} | {median(bort[name]['wall_s']):.1f} s | {time:.2f} "
            f"| {memory(bort, name):,.0f} MB | {space:.2f} |"
        )
    return "\n".join(rows)
