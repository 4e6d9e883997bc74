"""From a finished run to files that production trusts."""
