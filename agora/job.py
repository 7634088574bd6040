"""What the command does: files → splits, teacher, tau and grid → a run → the directory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from timeit import repeat
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from agora.bort import PUBLISHED, Borts, is_bort
from agora.data import check_splits, numbered, read_split, read_texts
from agora.draw import Tau, each
from agora.errors import DataError, OptionError
from agora.grid import RULES, Theta, grid
from agora.ledger import Work, at_most
from agora.log import Result
from agora.loop import GATE, Run
from agora.points import Point, Split, content
from agora.report import Progress, clock, summary
from agora.student import start_worker
from agora.tau import Filler, FromPool, OneSide, Refill, drop_or_swap
from agora.teachers import SURE, Taught, read_teacher

ASKED = 100  # texts by which tau is tried before the run


def finish(options: dict[str, Any], say: Callable[[str], None]) -> tuple[Result, dict[str, Any]]:
    """Check everything, run, and write the directory by one rename.

    Raises:
        AgoraError: a subclass tells what; nothing is written, and what was trained is kept.
    """
    job = SimpleNamespace(**options)
    if job.out.exists():
        raise OptionError(f"{job.out} exists: remove it, or give another --out")
    if (job.method != "finetune") != (job.teacher is not None):
        raise OptionError(f"--method {job.method} and --teacher: the one needs the other")
    if job.method == "pseudo-label" and job.unlabelled is None:
        raise OptionError(
            "--method pseudo-label needs --unlabelled, texts for the teacher to label"
        )
    splits, names = _splits(job)
    train, dev, test = splits["train"], splits["dev"], splits.get("test")
    pool = read_texts(job.unlabelled) if job.unlabelled else ()
    if pool and isinstance(pool[0], tuple) != isinstance(train.points[0], tuple):
        raise DataError("single texts and pairs are mixed: --unlabelled and --train must be alike")
    students = _students(job, names)
    teacher = (
        read_teacher(job.teacher, job.teacher_data, names, job.max_length) if job.teacher else None
    )
    tau, note = _tau(job, pool) if job.method == "agora" else (None, "")
    axes = dict(seed=job.seeds, lr=job.lr, wd=job.wd, warmup=job.warmup, batch=job.batch)
    axes = PUBLISHED if job.full_grid else axes
    thetas = grid(**axes, epochs=[job.epochs], patience=[job.patience])
    state = job.out.with_name(job.out.name + ".agora")
    say(f"{len(thetas)} sets of hyperparameters, {len(train)} train, {len(dev)} dev, "
        f"{len(pool)} unlabelled; state in {state}")  # fmt: skip
    first, most = at_most(job.method, thetas, len(train), len(dev), len(pool))
    if job.budget is not None and job.budget < first:
        raise OptionError(
            f"--budget {job.budget:,.0f} is less than the first round costs, {first:,.0f} forward "
            "passes: give more, or fewer values or epochs"
        )
    most = min(most, job.budget or most)
    pace = _pace(students, train, thetas[0]) / job.workers
    say(
        f"cost: at most {most:,.0f} forward passes, round 0 {first:,.0f} of them; by a timed batch "
        f"that is {clock(most * pace)} at most, and {clock(first * pace)}"
    )
    asked = _try_teacher(job, teacher, tau, note, dev, pool, say) if teacher else 0
    with _executor(job) as executor:
        result = Run(
            students, teacher, train, dev, thetas, tau,
            method=job.method, pool=pool, prune=RULES[job.prune], budget=job.budget,
            seed=job.seed, executor=executor,
            gate=None if job.no_gate else GATE, avoid=test.points if test else (),
            ledger=Work(teacher_calls=asked), state=state, progress=Progress(thetas, most, say),
        ).result()  # fmt: skip
    found = summary(result, train, test, teacher, job.method)
    part = state / "out"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    result.student.save(part)
    kept = [result.train.points, result.train.labels] if job.keep_texts else None
    about = {**found, "trace": result.trace(), **({"texts": kept} if kept else {})}
    (part / "agora.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), "utf-8")
    job.out.parent.mkdir(parents=True, exist_ok=True)
    os.rename(part, job.out)
    shutil.rmtree(state)
    return result, found


def _splits(job: Any) -> tuple[dict[str, Split], tuple[str, ...]]:
    """train, dev, and test if given, checked; classes numbered by their names, in order."""
    paths = {"train": job.train, "dev": job.dev, **({"test": job.test} if job.test else {})}
    read = {name: read_split(path) for name, path in paths.items()}
    check_splits(read)
    if job.teacher_data:  # it may have train's texts, but none by which the teacher is judged
        taught = read_split(job.teacher_data)
        others = {name: split for name, split in read.items() if name != "train"}
        check_splits({"train": taught, **others}, "--teacher-data")
    names = tuple(sorted(set(read["train"].labels)))
    return {name: numbered(split, names) for name, split in read.items()}, names


def _students(job: Any, names: tuple[str, ...]) -> Borts:
    directory = job.model
    if not (directory / "config.json").is_file():
        raise DataError(f"{directory} has no config.json: give a directory that bort-convert wrote")
    if not any(directory.glob("tokenizer*")) and not any(directory.glob("vocab*")):
        raise DataError(
            f"{directory} has no tokenizer: `bort-convert tokenizer` adds one, or save one there"
        )
    try:
        place, digest = str(directory.resolve()), content(directory)
        students = Borts(place, names, job.max_length, is_bort(directory), digest)
        students.make({}, 0)
        return students
    except Exception as error:  # whatever Transformers meets in a directory of the user's
        raise DataError(
            f"{directory} cannot be read as a model and its tokenizer: {error}"
        ) from None


def _tau(job: Any, pool: tuple[Point, ...]) -> tuple[Tau, str]:
    """tau, and what it is."""
    if pool:
        return FromPool(pool), "the nearest texts of --unlabelled"
    try:
        filler = Filler(job.model)
        return OneSide(Refill(filler)), f"one word filled in by the MLM head of {job.model}"
    except Exception:  # it has none; or none of its classes in Transformers has one
        return OneSide(drop_or_swap), "one word dropped, or two exchanged"


def _try_teacher(
    job: Any, teacher: Taught, tau: Tau | None, note: str, dev: Split, pool: Sequence[Point],
    say: Callable[[str], None],
) -> int:  # fmt: skip
    """Say what share of the new texts the teacher is sure about; how many it was asked about."""
    known, rng = dev.points[:ASKED], np.random.default_rng([job.seed, 9])
    new = [*each(tau, known, rng)] if tau else pool[:ASKED]
    share, of_dev = teacher.sure(new), teacher.sure(known)
    say(
        f"{'tau: ' + note if tau else 'pool'}; the teacher is sure (p ≥ {SURE}) about {share:.0%} "
        f"of {len(new)} such texts, about {of_dev:.0%} of dev"
    )
    if share < of_dev / 2:
        say("warning: such texts may be none of the task, and their labels noise")
    return len(new) + len(known)


def _pace(students: Borts, train: Split, theta: Theta) -> float:
    """Seconds a forward pass: a batch is learnt and looked at, and once more on the clock."""
    count = int(dict(theta)["batch"])
    some = Split(train.points[:count], train.labels[:count])
    student = students.make({**dict(theta), "epochs": 1}, 0)
    seconds = repeat(lambda: student.fit(some, some), number=1, repeat=2)[-1]
    return seconds / Work(updates=len(some), forwards=len(some)).cost


@contextmanager
def _executor(job: Any) -> Iterator[Executor | None]:
    if job.dask:
        from distributed import Client

        try:
            client: Any = Client(job.dask)  # type: ignore[no-untyped-call,unused-ignore]
        except (OSError, ValueError) as error:
            raise OptionError(
                f"--dask {job.dask}: no scheduler answers there ({error}): "
                "give the address that `dask scheduler` prints, as tcp://HOST:8786"
            ) from None
        with client:
            yield client.get_executor()
    elif job.workers > 1:
        threads = max(1, torch.get_num_threads() // job.workers)
        spawn = get_context("spawn")
        with ProcessPoolExecutor(job.workers, spawn, start_worker, (threads,)) as pool:
            yield pool
    else:
        yield None
