"""Which Transformers runs the tests: `make test-lowest` has 4; some of what they ask is of 5."""

from importlib.metadata import version

TRANSFORMERS = int(version("transformers").partition(".")[0])
