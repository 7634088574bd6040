"""Every fixture that a family's table converts."""

from __future__ import annotations

from collections.abc import Callable

from converter.planning.plan import TablePlan
from tests import borts, zoo, zoo_1x, zoo_master

CONVERTED = [n for n in zoo_master.NAMES if zoo_master.MANIFEST[n]["transformers_class"]]
# By its name, what plans its conversion, and its family
FIXTURES: dict[str, Callable[[str], TablePlan]] = {
    **dict.fromkeys(borts.NAMES, borts.plan_of),
    **dict.fromkeys(zoo.NAMES, zoo.plan_of),
    **dict.fromkeys(zoo_1x.NAMES, zoo_1x.plan_of),
    **dict.fromkeys(CONVERTED, zoo_master.plan_of),
}
FAMILY: dict[str, str] = dict.fromkeys(borts.NAMES, "bort") | {
    name: stated["family"]
    for manifest in (zoo.MANIFEST, zoo_1x.MANIFEST, zoo_master.MANIFEST)
    for name, stated in manifest.items()
}
