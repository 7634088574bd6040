"""Where the plan's tokenizer comes from: files given, files found, or a written directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from converter.errors import ConvertError, PlanError
from converter.planning.match import Match
from converter.tokenizer import (
    Files,
    TokenizerSpec,
    find,
    find_beside,
    make_spec,
    places,
    recorded,
    where,
)

Choice = tuple[TokenizerSpec | None, str]  # a tokenizer, or why there is none


@dataclass(frozen=True)
class TokenizerSource:
    """A tokenizer of `files`, or, if none is given, of those that are found.

    lower: whether text is lower-cased; None: names and table tell
    """

    files: Files = field(default_factory=Files)
    lower: bool | None = None

    def choose(
        self,
        chosen: Match,
        config: Mapping[str, Any],
        overrides: Mapping[str, Any],
        gluonnlp: str | None,
        known: str | None,
    ) -> Choice:
        """The tokenizer of a model with this `config`, or why there is none.

        Raises `VocabularyError` and `PlanError` for files that were given and do not suit the
        model. Files that were only found and do not suit it are left; of several that suit it none
        is taken.
        """
        rule, files = chosen.table.tokenizer, self.files
        if rule is None:
            if files.given():
                raise PlanError(
                    f"{chosen.table.origin} has no [tokenizer]:",
                    [f"nothing can be made of {', '.join(map(str, files.given().values()))}"],
                )
            return None, "the family's table has no [tokenizer]"
        if files.given():
            return make_spec(rule, files, config, overrides, self.lower, gluonnlp), ""
        source = chosen.index.path.absolute()

        def made(found: Files) -> Choice:
            place = where(next(iter(found.given().values())), source)
            try:
                spec = make_spec(rule, found, config, overrides, self.lower, gluonnlp)
            except ConvertError as error:
                return None, f"{place}: {error.headline} {'; '.join(error.problems)}".rstrip()
            return replace(spec, found=place), ""

        zoo = known if rule.version else None  # only 1.x has a directory for each model
        named = find(source, rule, zoo)
        spec, why = made(named) if named.given() else (None, "")
        if spec:
            return spec, why
        beside = find_beside(chosen.index, rule, config)
        if len(beside.fits) == 1:
            return made(beside.fits[0])
        looked = " and ".join(map(str, places(source, zoo)))
        none = (
            f"no vocabulary with GluonNLP's name for it in {looked}, and no other beside the file"
        )
        return None, beside.why or why or none


@dataclass(frozen=True)
class RecordedTokenizer(TokenizerSource):
    """The tokenizer that `directory` should have, going by the `record` of its conversion.json."""

    record: Mapping[str, Any] | None = None
    directory: Path = Path()

    def choose(
        self,
        chosen: Match,
        config: Mapping[str, Any],
        overrides: Mapping[str, Any],
        gluonnlp: str | None,
        known: str | None,
    ) -> Choice:
        rule = chosen.table.tokenizer
        if self.record is None:
            return None, "it was converted without one"
        if rule is None:
            raise ConvertError(
                f"{self.directory} has a tokenizer, and {chosen.table.origin} no [tokenizer]"
            )
        return recorded(rule, self.record, self.directory, config), ""
