"""Write a .params file of 4 GB and many tensors; its zeros are holes, which take no disk.

python -m tools.big_file FILE [GIGABYTES]
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.params.files import Array, File, encode_array

SHAPE = (512, 512)  # float32: 1 MiB
NBYTES = 4 * SHAPE[0] * SHAPE[1]


def main(path: Path, gigabytes: int) -> None:
    """Write tensors of 1 MiB, each with its number in its first bytes."""
    count = gigabytes * 1024
    names = [f"layer{number}.weight" for number in range(count)]
    empty = File([], names, names_count=count, count=count).encode()  # all but the arrays
    array = encode_array(Array(SHAPE, b""), "V2")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(empty[:24])
        for number in range(count):
            file.write(array + number.to_bytes(4, "little"))
            file.seek(NBYTES - 4, 1)
        file.write(empty[24:])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4)
