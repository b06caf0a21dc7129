"""What the server costs, beside what it could cost: `python -m benchmarks --help`."""
