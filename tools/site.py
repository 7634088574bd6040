"""For the site: the functions that take options, with the signature and the help that they have.

`Takes` gives both to a function when it is imported, so that the source does not show them.
"""

from __future__ import annotations

import inspect
from typing import Any

import griffe

import converter


class Options(griffe.Extension):
    """Named in mkdocs.yml."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Give a function of `converter.api` its own parameters."""
        called = getattr(converter, func.name, None)
        if func.module.path != "converter.api" or called is None or not callable(called):
            return
        if not hasattr(called, "__signature__"):
            return
        assert func.docstring is not None
        func.docstring.value = inspect.getdoc(called) or ""
        func.parameters = griffe.Parameters(
            *(
                griffe.Parameter(
                    parameter.name,
                    annotation=inspect.formatannotation(parameter.annotation, "converter"),
                    kind=griffe.ParameterKind(parameter.kind.description),
                    default=_written(parameter.default),
                )
                for parameter in inspect.signature(called).parameters.values()
            )
        )


def _written(default: object) -> str | None:
    if default is inspect.Parameter.empty:
        return None
    return default.__name__ if inspect.isfunction(default) else repr(default)
