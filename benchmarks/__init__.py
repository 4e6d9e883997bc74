"""Measurements against what a user would otherwise write."""
