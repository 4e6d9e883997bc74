"""Backbones, cutoffs, layer groups, heads, and the classifier made of them."""
