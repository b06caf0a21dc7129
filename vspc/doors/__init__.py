"""Ways in that are not SSH."""
