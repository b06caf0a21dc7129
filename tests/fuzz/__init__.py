"""Fuzz targets: a function from bytes to nothing for each parser and state machine, and what runs
them. `make fuzz` looks for new inputs; the tests replay the corpus and a few mutations of it.
"""
