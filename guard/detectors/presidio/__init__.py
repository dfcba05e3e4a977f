"""Microsoft Presidio as a detector: its recognisers, its context words, its patterns of your own, its anonymizer.

The packages are imported when a detector is built or a text is redacted, never before.
"""
