"""Per-group optimizers, schedules and losses."""
