"""Constitutional AI: a model's own answers, criticised, revised and compared by the policy's principles, as training data.

settings.py     what may be said of it
"""
