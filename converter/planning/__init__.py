"""What will happen to one file: complete before any weight is read."""
