"""Detectors that compare meanings: the tokeniser and the encoder behind them, similarity to examples, support by a context."""
