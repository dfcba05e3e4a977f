"""The gate between a candidate and production, and the registry: which model is served, where it came from, what was before."""
