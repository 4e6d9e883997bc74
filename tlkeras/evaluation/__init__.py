"""Metrics with intervals, and looking at a split of a finished run."""
