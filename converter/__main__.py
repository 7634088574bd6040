"""`python -m converter` is `bort-convert`."""

from converter.cli.main import main

main(prog_name="bort-convert")
