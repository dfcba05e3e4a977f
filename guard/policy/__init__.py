"""Policies: reading them, and deciding by them. Pure, apart from reading files."""
