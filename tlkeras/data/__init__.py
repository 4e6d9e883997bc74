"""From a source of labelled images to batches: sources, splits, pixels."""
