"""Measurements: each prints ratios against a named baseline of the same run, and writes a JSON file and a table."""
