"""The `vspc` command, one file per subcommand."""
