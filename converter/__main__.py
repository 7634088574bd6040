"""`python -m converter` is `bort-convert`."""

from converter.cli import main

if __name__ == "__main__":
    main(prog_name="bort-convert")
