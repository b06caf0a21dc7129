"""Prints docs/limits.md: `make limits`."""

import sys

from tests.limits.page import page

if __name__ == "__main__":
    sys.stdout.write(page())
