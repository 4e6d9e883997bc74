"""Phases, the fit loop, the exact solver, and the spine of a run."""
