"""Programs for those who work on the project; the package needs none of them."""
