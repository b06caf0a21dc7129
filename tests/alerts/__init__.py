"""Tests of vspc.alerts."""
