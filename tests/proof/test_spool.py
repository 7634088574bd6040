"""What waits for the other side comes back as it was, from memory or from a file without a name."""

from __future__ import annotations

import errno
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converter.errors import ConvertError
from converter.proof import spool as module
from converter.proof.reference.layers import Outputs
from converter.proof.spool import Named, Spool, spooled

ARRAYS = hnp.arrays(
    st.sampled_from([np.dtype(np.float32), np.dtype(np.float64), np.dtype(ml_dtypes.bfloat16)]),
    hnp.array_shapes(min_dims=0, max_side=5, min_side=0),
    elements=st.integers(-9, 9),
)


@given(
    st.dictionaries(st.text(max_size=3), st.lists(ARRAYS, min_size=1, max_size=3)), st.booleans()
)
def test_arrays_come_back(written: dict[str, list[Any]], large: bool) -> None:
    """The last one under each name, bit for bit, past the end of what stays in memory too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HELD", 16 if large else module.HELD)
        with Spool() as spool:
            named, other = Named(spool, "one"), Named(spool, "other")
            for number in range(3):
                for name, arrays in written.items():
                    if number < len(arrays):
                        named[name] = arrays[number]
                        other[name] = arrays[number] + 1
            assert {*named} == {*written}
            assert len(named) == len(written)
            for name, arrays in written.items():
                found = named[name]
                assert (found.dtype, found.shape) == (arrays[-1].dtype, arrays[-1].shape)
                assert found.tobytes() == arrays[-1].tobytes()


def test_outputs_are_read_when_asked_for() -> None:
    states = [np.full((2, 3, 4), n, np.float32) for n in range(12)]
    with Spool() as spool:
        kept = spooled(Outputs(tuple(states[:5]), {"pooled": states[7]}, tuple(states[5:7])), spool)
        assert [len(kept.hidden_states), len(kept.decoder_states)] == [5, 2]
        assert all(map(np.array_equal, kept.hidden_states, states))
        assert all(map(np.array_equal, kept.decoder_states, states[5:]))
        assert "pooled" in kept.named
        assert "lm_logits" not in kept.named
        assert np.array_equal(kept.named["pooled"], states[7])


def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 16)
    with Spool(tmp_path) as spool:
        spool.put(("one", "a"), np.arange(1000))
        assert not [*tmp_path.iterdir()]
        assert spool.get(("one", "a"))[-1] == 999
    assert Spool(tmp_path / "absent")._folder == Path(gettempdir())


def test_no_room_is_said(tmp_path: Path) -> None:
    class Full:
        def seek(self, place: int) -> None: ...
        def close(self) -> None: ...
        def write(self, data: memoryview) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with Spool(tmp_path) as spool:
        spool._file = Full()  # type: ignore[assignment]
        with pytest.raises(ConvertError, match=r"No space left on device\. Make room"):
            spool.put(("one", "a"), np.arange(3))
