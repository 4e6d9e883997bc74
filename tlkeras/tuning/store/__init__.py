"""keras-tuner's oracles, kept so that a search survives being killed."""
