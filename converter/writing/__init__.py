"""Plan → files: safetensors in one file or shards, and NPZ."""
