"""Names from a graph as identifiers: nothing else of a file's text reaches source code."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

MAX = 56  # characters: what is too long for a line can still be split into lines that are not

# What `model.py` itself calls by name, and what ruff's E741 takes for a digit
ITS_OWN = {"self", "x", "torch", "nn", "F", "Tensor", "Path", "math", "Model", "load", "load_file"}
ITS_OWN |= {"l", "O", "I"}
RESERVED = frozenset(ITS_OWN | {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})

# Attributes of `torch.nn.Module` that a submodule's name must not replace (those without a leading
# underscore; PyTorch 2.2 to 2.13, checked by a test against the one installed; `smart_apply` is
# what Transformers adds to every module when it first initialises a model)
MODULE = frozenset(
    re.findall(
        r"\w+",
        """
        T_destination add_module apply bfloat16 buffers call_super_init children compile cpu
        cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state
        get_parameter get_submodule half inputs ipu load_state_dict modules mtia named_buffers
        named_children named_modules named_parameters outputs parameters register_backward_hook
        register_buffer register_forward_hook register_forward_pre_hook
        register_full_backward_hook register_full_backward_pre_hook
        register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
        register_parameter register_state_dict_post_hook register_state_dict_pre_hook
        requires_grad_ set_extra_state set_submodule share_memory smart_apply state_dict to
        to_empty train training type xpu zero_grad
        """,
    )
)


def identifier(text: str, otherwise: str) -> str:
    """An ASCII identifier that says `text` as nearly as can be; `otherwise` where nothing is left.

    Compatibility characters become the letters they look like (NFKC); everything else that is
    no letter, digit or underscore becomes one underscore, and none begins the name. Of a name that
    is too long, the last words are kept.
    """
    plain = unicodedata.normalize("NFKC", text[:1024])
    plain = re.sub(r"[^A-Za-z0-9]+", "_", plain, flags=re.ASCII).strip("_")
    if len(plain) > MAX:
        kept = plain[-MAX:]
        plain = kept[kept.find("_") + 1 :] if "_" in kept[: MAX // 2] else kept
    if not plain:
        return otherwise
    return f"n{plain}" if plain[0].isdigit() else plain


class Names:
    """Identifiers of one scope: each is given out once."""

    def __init__(self, reserved: frozenset[str]) -> None:
        self.taken = set(reserved)
        self.next: dict[str, int] = {}

    def new(self, text: str, otherwise: str) -> str:
        """An identifier for `text` that nothing else in this scope has."""
        name = identifier(text, otherwise)
        if name not in self.taken:
            self.taken.add(name)
            return name
        number = self.next.get(name, 2)
        while (found := f"{name}_{number}") in self.taken:
            number += 1
        self.next[name] = number + 1
        self.taken.add(found)
        return found
