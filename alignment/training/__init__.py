"""Fine-tune a model with TRL: supervised, on preferences, on verdicts, or online against a reward.

`settings` says what a recipe may ask for, `running.run` does it. Every method is one of TRL's trainers with TRL's own
configuration; what is added is what a run in production needs: checks before the long work, progress, checkpoints that survive a
kill, a record.
"""
