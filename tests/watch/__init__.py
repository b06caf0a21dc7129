"""Tests of vspc.watch."""
