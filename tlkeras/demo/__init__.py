"""A page on this machine: try a model, and review the images of its run."""
