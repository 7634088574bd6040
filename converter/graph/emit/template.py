"""Operators whose text is one expression: `emit` of operators.toml, such as `torch.exp({data})`."""

from __future__ import annotations

import re

from converter.graph.emit.literals import dtype, literal
from converter.graph.emit.site import Site

FIELD = re.compile("{([a-z_0-9A-Z]+)(:float)?}")


def fill(template: str, site: Site) -> str:
    """The template with its inputs' values and its attributes' literals."""

    def text(match: re.Match[str]) -> str:
        name = match[1]
        if match[2] and site.spec(name).dtype.kind != "f":
            raise site.refuse("integers are not supported")
        if name in site.call.names:
            return site[name]
        attribute = site.call.operator.attributes[name]
        given = site.attributes[name]
        return dtype(given) if attribute.type == "dtype" else literal(given)

    return FIELD.sub(text, template)
