"""Tests of `vspc.auth`, in memory."""
