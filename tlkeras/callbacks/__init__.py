"""Keras callbacks of a `fit` phase; one class a file."""
