"""One trial: heads on cached codes, or a whole run in a process."""
