"""The benchmark, without its timings: arithmetic, tables, the load generator's words."""
