"""The patterns of attacks on a model's instructions, by kind."""
