"""The service: builds everything and introduces it."""
