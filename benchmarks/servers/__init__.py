"""What is measured: vspc, the floor under it, and what people would use instead."""
