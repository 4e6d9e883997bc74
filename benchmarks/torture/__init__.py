"""Campaigns of attacks on the product that can be run again, seeded.

    python -m benchmarks.torture [configs] [images] [kills] [--seed=0] ...

Each counts what it tried and prints every finding with what reproduces it.
"""
