"""The command `guard`."""
