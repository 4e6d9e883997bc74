"""Searching rates, strengths, heads, cutoffs and augmentation."""
