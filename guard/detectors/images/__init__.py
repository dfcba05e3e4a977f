"""Detectors of images: opened within limits, looked at by a model, compared with lists, read for words."""
