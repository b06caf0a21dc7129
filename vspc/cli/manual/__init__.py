"""Manual pages in roff: vspc(1) and vspc.toml(5)."""
