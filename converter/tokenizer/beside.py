"""What may be a model's vocabulary, under any name: beside the parameters, or in their archive.

A name alone tells nothing here. A file is the vocabulary if it reads as one, has as many tokens as
the embedding has rows, and has the special tokens that the family needs. GluonNLP's own names
(`discover`) are looked for first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from converter.errors import ConvertError, VocabularyError
from converter.params import Index, Member
from converter.tables.tokenizer_rule import ROLES, TokenizerRule
from converter.tokenizer.discover import merges_of
from converter.tokenizer.spec import Files, TokenizerSpec, make_spec
from converter.tokenizer.vocabulary import MAX_BYTES, File, read_bytes

PIECES, WORDS = (".spiece", ".model"), (".txt",)
EITHER = ".vocab"  # GluonNLP's JSON, or lines; its t5-5f05e7c5.vocab is a SentencePiece model
NAMES = ("encoder.json", "merges.txt", ".merges")  # GPT-2's, and GluonNLP's
MERGES = ("merge", "bpe")  # what the name of a file of merges holds
MOST = 16  # files, or pairs of them, that are read for each kind
SHOWN = 3  # that are not the vocabulary, with the reasons
# The bytes of a vocabulary: more than it has tokens, and not many times as many. SentencePiece's
# table of characters has 300 KB, and GluonNLP's JSON has every token twice
FIXED, EACH = 2**20, 2**8


@dataclass(frozen=True)
class Beside:
    """`fits`: the files that can be the vocabulary; of those with equal content the first.

    `others`: files that are named like a vocabulary and are not this model's, with the reasons.
    """

    fits: tuple[Files, ...]
    others: tuple[str, ...]

    @property
    def why(self) -> str:
        """Why none of them is taken, with the options to choose by; empty if there is none."""
        if self.fits:
            choices = " or ".join(map(_options, self.fits))
            return f"more than one file can be its vocabulary; choose with {choices}"
        more = [f"and {len(self.others) - SHOWN:,} others"] if len(self.others) > SHOWN else []
        return "; ".join([*self.others[:SHOWN], *more])


def find_beside(index: Index, rule: TokenizerRule, config: Mapping[str, Any]) -> Beside:
    """The files in the folder of `index.path`, and in the archive that it is, that fit the model.

    config: of the model: `vocab_size`, and what `rule.length` names
    """
    search = _Search(index, rule, config["vocab_size"])
    fits: dict[Any, Files] = {}
    for candidate in search.candidates():
        try:
            spec = make_spec(rule, candidate, config, {}, lower=False)
        except ConvertError as error:
            search.leave(candidate, error)
        else:
            fits.setdefault(_content(spec), candidate)
    return Beside((*fits.values(),), (*search.others,))


def where(file: File, source: Path) -> str:
    """In which of the places a file was found, without a path."""
    if isinstance(file, Member):
        return "found in the archive"
    beside = file.absolute().parent == source.absolute().parent
    return "found beside the file" if beside else "found by the name that GluonNLP gives it"


def _content(spec: TokenizerSpec) -> tuple[Any, ...]:
    """What is equal where two files say the same."""
    model = spec.model.content if spec.model else None
    return spec.kind, spec.vocabulary.digest, tuple(spec.ids.items()), spec.merges, model


def _options(files: Files) -> str:
    given = files.given()
    said = " ".join(
        f"--{option} {file.place if isinstance(file, Member) else file}"
        for option, file in given.items()
    )
    unpack = any(isinstance(file, Member) for file in given.values())
    return f"{said} (in the archive: unpack it first)" if unpack else said


@dataclass(frozen=True)
class _Search:
    """Files that could be the vocabulary of a model of `rows` tokens, and what is said of others.

    Bounded for a folder or an archive of any content: by name and size first, then by number.
    """

    index: Index
    rule: TokenizerRule
    rows: int
    others: dict[str, None] = field(default_factory=dict)

    def candidates(self) -> Iterator[Files]:
        """What the files can be for the family, by their names."""
        folder = self.index.path.absolute().parent
        there: list[File] = [*self.index.others, *_in_folder(folder)]
        files = [file for file in there if self._may_be(file)]
        pieces = [file for file in files if file.name.lower().endswith(PIECES)]
        words = [file for file in files if file.name.lower().endswith(WORDS)]
        for file in files:
            if file.name.lower().endswith(EITHER):
                (words if _is_text(file) else pieces).append(file)
        merges = [file for file in files if any(part in file.name.lower() for part in MERGES)]
        maps = [file for file in files if file.name.lower().endswith(".json")]
        for kind in self.rule.kinds:
            if kind == "wordpiece":
                yield from (Files(vocab=file) for file in self._few(words))
            elif kind == "byte-level-bpe":
                known = merges_of(folder)
                first = self._few([file for file in (*maps, *words) if file not in merges])
                second = self._few([*merges, *([known] if known else [])])
                if len(first) * len(second) <= MOST:
                    yield from (Files(vocab=a, merges=b) for a, b in product(first, second))
                else:
                    self._many(first[0], len(first) + len(second))
            else:
                yield from (Files(sentencepiece=file) for file in self._few(pieces))

    def leave(self, files: Files, error: ConvertError) -> None:
        """Keep why these are not the vocabulary, if anybody would take one of them for it."""
        paths = [*files.given().values()]
        if any(map(_is_named, paths)):
            self._say(paths[0], f"{error.headline} {'; '.join(error.problems)}".rstrip())

    def _say(self, file: File, reason: str) -> None:
        self.others[f"{where(file, self.index.path)}: {reason}"] = None

    def _may_be(self, file: File) -> bool:
        """Whether name and size are those of a vocabulary; nothing is read."""
        name = file.name.lower()
        ends = name.endswith((*PIECES, EITHER, *WORDS))
        if name.startswith(".") or not (ends or _is_named(file) or any(m in name for m in MERGES)):
            return False
        try:
            if isinstance(file, Path) and not file.is_file():
                return False
            size = file.size if isinstance(file, Member) else file.stat().st_size
        except OSError:
            return False
        least = self.rows - self.rule.spare - self.rule.extra_ids - len(ROLES)
        if least <= size <= min(FIXED + EACH * self.rows, MAX_BYTES):
            return True
        if _is_named(file):
            self._say(file, f"{file}: {size:,} bytes are no vocabulary of {self.rows:,} tokens")
        return False

    def _few(self, files: Sequence[File]) -> Sequence[File]:
        """No more than are read; of more, those that are named like a vocabulary, if few are."""
        if len(files) <= MOST:
            return files
        named = [file for file in files if _is_named(file)]
        if len(named) <= MOST:
            return named
        self._many(named[0], len(named))
        return []

    def _many(self, first: File, count: int) -> None:
        self._say(first, f"{count:,} files are named like a vocabulary: too many to read")


def _in_folder(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:  # then nothing is found
        return


def _is_named(file: File) -> bool:
    """Whether its name says that it is a vocabulary, or half of one."""
    name = file.name.lower()
    return name.endswith((*PIECES, EITHER, *NAMES)) or "vocab" in name


def _is_text(file: File) -> bool:
    try:
        read_bytes(file).decode("utf-8-sig")
    except (VocabularyError, UnicodeDecodeError):
        return False
    return True
