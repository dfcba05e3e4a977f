"""Detectors that ask somebody else: hosted moderation services, and model servers of one's own. One file for each protocol."""
