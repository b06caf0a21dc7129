"""`python -m vspc` is the `vspc` command."""

from vspc.cli.main import main

raise SystemExit(main())
