"""Measured comparisons on the user's own data."""
