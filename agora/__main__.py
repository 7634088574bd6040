"""`python -m agora` is `bort-finetune`."""

from agora.cli import main

if __name__ == "__main__":
    main()
