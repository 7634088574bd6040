"""A directory or file that appears by one rename, and room for it on the disk."""
