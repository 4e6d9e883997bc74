"""What is frozen is computed once: engines, cache, CNN codes."""
