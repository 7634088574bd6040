"""Functions that take options by their names: the Python API, made of `Options`' fields."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from converter.planning.options import Options, PathLike, check_type, hints

P = ParamSpec("P")
R = TypeVar("R")
OPTION = inspect.Parameter.KEYWORD_ONLY


class Takes(Generic[P]):
    """A function of paths and `Options` becomes one that takes these options by their names.

    Its signature and its help have them, one after the other. Raises `TypeError` for others, as
    Python does, and `OptionError` for a value of another type.
    """

    def __init__(self, options: Callable[P, Options], names: Sequence[str]) -> None:
        fields = {field.name: field for field in dataclasses.fields(Options)}
        self._fields = [fields[name] for name in names]

    @overload
    def __call__(
        self, function: Callable[[PathLike, PathLike, Options], R]
    ) -> Callable[Concatenate[PathLike, PathLike, P], R]: ...
    @overload
    def __call__(
        self, function: Callable[[PathLike, Options], R]
    ) -> Callable[Concatenate[PathLike, P], R]: ...
    def __call__(self, function: Any) -> Any:
        signature = inspect.signature(function)
        paths = [p for name, p in signature.parameters.items() if name != "options"]
        named = [
            inspect.Parameter(f.name, OPTION, default=f.default, annotation=hints()[f.name])
            for f in self._fields
        ]
        signature = signature.replace(parameters=[*paths, *named])

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs).arguments
            given = [bound.pop(path.name) for path in paths]
            for path, value in zip(paths, given, strict=True):
                check_type(path.name, value, PathLike)
            return function(*given, Options(**bound))

        called.__signature__ = signature  # type: ignore[attr-defined]
        lines = [self._line(field) for field in self._fields]
        called.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Args:", *lines])
        return called

    @staticmethod
    def _line(field: dataclasses.Field[Any]) -> str:
        text = field.metadata["text"]
        if field.default is True:
            text = f"Unless true, {text[0].lower()}{text[1:]}"
        line = f"{field.name}: {text}"
        return textwrap.fill(line, 96, initial_indent=" " * 4, subsequent_indent=" " * 8)
