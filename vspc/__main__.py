"""`python -m vspc` is the `vspc` command."""

from vspc.cli import main

raise SystemExit(main())
