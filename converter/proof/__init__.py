"""Questions about a written directory, none of which replaces another."""
