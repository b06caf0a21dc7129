"""Who did what: the audit file, its copies, and what was turned away (docs/audit.md)."""
