"""What the command does: files → splits, teacher, tau and grid → a run → the directory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from agora.data import check_splits, numbered, read_split
from agora.draw import Tau, Teacher
from agora.embedding import read_vectors
from agora.errors import AgoraError, DataError, OptionError
from agora.grid import Theta, grid
from agora.ledger import Ledger
from agora.log import Result, Round, line
from agora.loop import agora
from agora.options import GATE
from agora.points import Split
from agora.report import plot, summary
from agora.task import Classification, Regression, Task
from agora.tau_text import Drop, Either, Filler, FromTable, OneSide, Refill, Swap, Synonym
from agora.teachers import Renumbered, Table, Trained
from agora.together import Together, processes


@dataclass(frozen=True, kw_only=True)
class Job:
    """The options of the command, under their own names."""

    model: Path
    train: Path
    dev: Path
    test: Path | None
    selection: Path | None
    teacher: Path
    out: Path
    task: str
    tolerance: float | None
    lr: list[float]
    wd: list[float]
    warmup: list[float]
    batch: list[int]
    epochs: list[int]
    prune: str
    replay: int
    draws: int
    growth: Any
    start: Any
    keep: Any
    soft: bool
    no_gate: bool
    tau: str
    mlm: Path | None
    embedding: Path | None
    side: int | None
    budget: float | None
    teacher_price: float
    max_length: int
    no_preset: bool
    seed: int
    workers: int
    dask: str | None
    state: Path | None

    @property
    def number(self) -> bool:
        """Whether labels are numbers."""
        return self.task == "regression"

    @property
    def grid(self) -> tuple[Theta, ...]:
        """All combinations of the options that are lists."""
        return grid(
            lr=self.lr, wd=self.wd, warmup=self.warmup, batch=self.batch, epochs=self.epochs
        )

    @property
    def judge(self) -> Task:
        """Scores and mistakes."""
        if not self.number:
            return Classification()
        if self.tolerance is None or self.tolerance < 0:
            raise OptionError("--task regression needs --tolerance: a larger error is a mistake")
        return Regression(self.tolerance)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, in order; none for numbers."""
        return () if self.number else tuple(sorted(set(read_split(self.train, False).labels)))

    @cached_property
    def splits(self) -> dict[str, Split]:
        """train, dev, and test and selection if given; checked, classes numbered."""
        paths = {"train": self.train, "dev": self.dev}
        paths |= {"test": self.test} if self.test else {}
        paths |= {"selection": self.selection} if self.selection else {}
        read = {name: read_split(path, self.number) for name, path in paths.items()}
        check_splits(read, self.number)
        if self.number:
            return read
        return {name: numbered(split, self.names) for name, split in read.items()}

    @cached_property
    def table(self) -> Split | None:
        """The labels of a teacher that is a file."""
        if self.teacher.is_dir():
            return None
        split = read_split(self.teacher, self.number)
        unknown = set(split.labels) - set(self.names)
        if unknown and not self.number:
            raise DataError(f"{self.teacher} has labels that train lacks: {sorted(unknown)}")
        return split if self.number else numbered(split, self.names)


def finish(job: Job, say: Callable[[str], None]) -> tuple[Result, dict[str, Any]]:
    """Check everything, run, and write the directory by one rename.

    Raises:
        AgoraError: a subclass tells what; nothing is written, and what was trained is kept.
    """
    if job.out.exists():
        raise OptionError(f"{job.out} exists: remove it, or give another --out")
    splits, task, test = job.splits, job.judge, job.splits.get("test")
    students = _students(job.model, job.names, job)
    teacher = _teacher(job)
    tau = OneSide(_tau(job), job.side) if job.table is None else _tau(job)
    state = job.state or job.out.with_name(job.out.name + ".agora")
    say(f"{len(job.grid)} sets of hyperparameters, {len(splits['train'])} train, "
        f"{len(splits['dev'])} dev; state in {state}")  # fmt: skip

    def progress(record: Round) -> None:
        say(line(job.grid, record))

    with _executor(job) as executor:
        result = agora(
            students,
            teacher,
            splits["train"],
            splits["dev"],
            job.grid,
            tau,
            prune=job.prune,
            replay=job.replay,
            budget=job.budget,
            seed=job.seed,
            executor=executor,
            selection=splits.get("selection"),
            draws=job.draws,
            growth=job.growth,
            start=job.start,
            keep=job.keep,
            gate=None if job.no_gate else GATE,
            soft=job.soft,
            avoid=test.points if test else (),
            task=task,
            ledger=Ledger(teacher=job.teacher_price),
            state=state,
            progress=progress,
        )
    found = summary(result, task, test)
    part = state / "out"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    result.student.save(part)
    (part / "agora.json").write_text(json.dumps({**found, "trace": result.trace()}, indent=1))
    plot(result, part / "agora.svg")
    job.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(part, job.out)
    except OSError:  # another file system
        shutil.copytree(part, job.out)
    if job.state is None:
        shutil.rmtree(state)
    return result, found


def _students(directory: Path, names: tuple[str, ...], job: Job) -> Any:
    from agora.bort import Borts

    if not (directory / "config.json").is_file():
        raise DataError(f"{directory} has no config.json: give a directory that bort-convert wrote")
    if not any(directory.glob("tokenizer*")) and not any(directory.glob("vocab*")):
        raise DataError(
            f"{directory} has no tokenizer: `bort-convert tokenizer` adds one, or save one there"
        )
    return Borts(str(directory.resolve()), names, job.max_length, not job.no_preset)


def _teacher(job: Job) -> Teacher:
    if job.table is not None:
        return Table(job.table)
    named = json.loads((job.teacher / "config.json").read_text("utf-8")).get("id2label") or {}
    own = tuple(named[key] for key in sorted(named, key=int))
    if not job.number and set(own) != set(job.names):
        generic = [f"LABEL_{i}" for i in range(len(job.names))]
        # two nameless labels are what a config without names means
        if list(own or generic[:2]) != generic:
            raise DataError(f"{job.teacher} knows the labels {own}, train has {job.names}")
        own = job.names
    students = _students(job.teacher, () if job.number else own, job)
    with _readable(job.teacher, "a classifier and its tokenizer"):
        student = students.load(job.teacher)
    trained = Trained(student, job.soft)
    if job.number or own == job.names:
        return trained
    return Renumbered(trained, tuple(own.index(name) for name in job.names))


def _tau(job: Job) -> Tau:
    if job.tau == "table" or (job.tau == "auto" and job.table is not None):
        if job.table is None:
            raise OptionError("--tau table needs a --teacher that is a file of labelled texts")
        return FromTable(job.table.points)
    if job.table is not None:
        raise OptionError(f"--tau {job.tau}: a table of labels knows nothing that tau makes up")
    if job.embedding and (job.tau not in ("auto", "synonym") or job.mlm):
        raise OptionError("--embedding is for --tau synonym: leave out one of the two, or --mlm")
    if job.tau == "refill" or (job.tau == "auto" and job.mlm):
        if job.mlm is None:
            raise OptionError("--tau refill needs --mlm, a directory with a masked language model")
        with _readable(job.mlm, "a masked language model and its tokenizer"):
            return Refill(Filler(str(job.mlm)))
    if job.tau == "synonym" or (job.tau == "auto" and job.embedding):
        source = job.embedding or job.model
        with _readable(source, "vectors of words"):
            return Synonym(read_vectors(source), source=str(source.resolve()))
    return Either((Drop(), Swap()))


@contextmanager
def _readable(directory: Path, what: str) -> Iterator[None]:
    try:
        yield
    except AgoraError:
        raise
    except Exception as error:  # whatever Transformers meets in a directory of the user's
        raise DataError(f"{directory} cannot be read as {what}: {error}") from None


@contextmanager
def _executor(job: Job) -> Iterator[Executor | None]:
    if processes() > 1 and (job.dask or job.workers > 1):
        raise OptionError(
            "--workers and --dask train many students at once, accelerate launch one by many "
            "processes: use one or the other"
        )
    if job.dask:
        from distributed import Client

        try:
            client: Any = Client(job.dask)  # type: ignore[no-untyped-call,unused-ignore]
        except (OSError, ValueError) as error:
            raise OptionError(
                f"--dask {job.dask}: no scheduler answers there ({error}): "
                "give the address that `dask scheduler` prints, as tcp://HOST:8786"
            ) from None
        try:
            yield client.get_executor()
        finally:
            client.close()
    elif processes() > 1:
        with Together() as together:
            yield together
    elif job.workers > 1:
        with ProcessPoolExecutor(job.workers, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        yield None
