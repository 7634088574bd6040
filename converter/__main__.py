"""`python -m converter` is `bort-convert`."""

from converter.cli import main

main(prog_name="bort-convert")
