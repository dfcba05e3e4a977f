"""What makes any detector affordable: batching, caching, time limits, retries, breakers. Knows only the Detector protocol."""
