"""The verbs of operators, one module for each, and what they have in common."""
