"""The Transformers side: the class, quietly, on the meta device or with the written weights."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from converter.errors import ConvertError
from converter.planning.plan import Plan


def import_class(name: str) -> Any:
    """`transformers`, with the class and all that it needs imported.

    That makes a million objects and no garbage: Python does not look for it meanwhile, which
    saves a tenth of the time. Raises `ConvertError` when there is no torch, no Transformers or no
    such class.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401
        import transformers

        target_class(transformers, name)
    except ImportError as error:
        raise ConvertError(
            "the proof needs torch and transformers (pip install torch transformers); "
            "--no-verify converts without proof"
        ) from error
    finally:
        if collecting:
            gc.enable()
    return transformers


@contextmanager
def quiet_transformers(name: str) -> Iterator[Any]:
    """The class `name` of Transformers, without progress bars and advice; see `import_class`."""
    transformers = import_class(name)
    logging: Any = transformers.utils.logging  # untyped in Transformers
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield target_class(transformers, name)
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def target_class(transformers: Any, name: str) -> Any:
    """A class by its name. Raises `ConvertError` when this Transformers has no such class."""
    found = getattr(transformers, name, None)
    if found is None:
        raise ConvertError(f"Transformers {transformers.__version__} has no class {name}")
    return found


@contextmanager
def target_model(plan: Plan, directory: Path) -> Iterator[Any]:
    """The model as a user loads it, in float32 arithmetic, ready to run.

    Yields the module; `model.loading_problems` lists tensors that `from_pretrained` found
    missing, unexpected or of another shape.
    """
    import torch

    with quiet_transformers(plan.transformers_class) as cls, torch.inference_mode():
        loaded = cls.from_pretrained(
            directory,
            local_files_only=True,
            output_loading_info=True,
            **plan.target.init,
        )
        model, info = loaded
        model.float().eval()  # Transformers 4 and 5 differ in the dtype they load by default
        model.loading_problems = [
            f"{kind.removesuffix('_keys')}: {key}"
            for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
            for key in sorted(map(str, info.get(kind, ())))
        ]
        yield model
