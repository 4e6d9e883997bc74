"""Linear classifiers on CNN codes: exact solvers, and many heads at once."""
