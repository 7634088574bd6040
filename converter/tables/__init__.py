"""A family as data: names in the `.params` file → names in Transformers."""
