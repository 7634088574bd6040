"""Migrate a folder of checkpoints: one directory each, a table at the end, 1 if any failed.

    python examples/migrate_folder.py CHECKPOINTS OUT [KEY=VALUE ...]

Every `*.params` below CHECKPOINTS becomes OUT/<the same path without .params>. A failure is noted
and the next file is tried. Directories that exist are left alone, so that the script can be
started again. KEY=VALUE is what `--config` takes, for all files: num_attention_heads=8; family=NAME
is what `--family` takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import converter


def migrate(
    source: Path, destination: Path, family: str | None, config: Mapping[str, Any]
) -> tuple[bool, str]:
    """Convert one file; return whether it is there and verified, and a word on it."""
    if destination.exists():
        return True, "was there"
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        report = converter.convert(source, destination, family=family, config=config)
    except converter.ConvertError as error:
        return False, str(error).replace("\n", " ")
    assert report.proof is not None
    assert report.proof.parity is not None
    worst = max(d.max_abs_diff for d in report.proof.parity.differences)
    return True, f"{report.plan.transformers_class}, verified, difference {worst:.1e}"


def main(checkpoints: Path, out: Path, family: str | None, config: Mapping[str, Any]) -> int:
    """Migrate all, print the table, return the exit code."""
    sources = sorted(checkpoints.rglob("*.params"))
    if not sources:
        print(f"{checkpoints}: no *.params file below it", file=sys.stderr)
        return 1
    failed = 0
    for source in sources:
        name = source.relative_to(checkpoints).with_suffix("")
        fine, word = migrate(source, out / name, family, config)
        failed += not fine
        print(f"{'ok    ' if fine else 'FAILED'}  {name}  {word}", flush=True)
    print(f"{len(sources) - failed} of {len(sources)} migrated")
    return 1 if failed else 0


def parse(setting: str) -> tuple[str, Any]:
    """`KEY=VALUE` with a JSON value, or a text."""
    key, _, value = setting.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    settings = dict(parse(argument) for argument in sys.argv[3:])
    family = settings.pop("family", None)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), family, settings))
