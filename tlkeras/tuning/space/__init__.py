"""What a search changes: its fields, their ranges and conditions."""
