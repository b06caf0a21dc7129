"""The targets, a file for each room; `tests.fuzz.table` has them all."""
