"""Typing that takes its time: named sequences, SysRq, pastes."""
