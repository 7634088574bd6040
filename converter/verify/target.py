"""The Transformers side: the class, quietly, on the meta device or with the written weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from converter.errors import ConvertError
from converter.plan import Plan


@contextmanager
def quiet_transformers() -> Iterator[Any]:
    """The `transformers` module without progress bars and advice."""
    try:
        import transformers
    except ImportError as error:
        raise ConvertError(
            "the proof needs torch and transformers (pip install torch transformers); "
            "--no-verify converts without proof"
        ) from error
    logging: Any = transformers.utils.logging  # untyped in Transformers
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield transformers
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

    with quiet_transformers() as transformers, torch.inference_mode():
        loaded = target_class(transformers, plan.transformers_class).from_pretrained(
            directory,
            local_files_only=True,
            output_loading_info=True,
            **plan.init,
        )
        model, info = loaded
        model.float().eval()  # Transformers 4 and 5 differ in the dtype they load by default
        model.loading_problems = [
            f"{kind.removesuffix('_keys')}: {key}"
            for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
            for key in sorted(map(str, info.get(kind, ())))
        ]
        yield model
