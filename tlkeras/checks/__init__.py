"""Cheap checks before training; one check a file."""
