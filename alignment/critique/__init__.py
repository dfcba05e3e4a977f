"""Constitutional AI: a model's own answers, criticised, revised and compared by the policy's principles, as training data.

settings.py     what may be said of it
prompts.py      what the model is asked
journal.py      what was answered already
answering.py    prompts answered by a generator, through the journal
judging.py      what the guard decides on prompts and answers
lessons.py      by_policy.py    the policy as the critic
critic.py       a language model as the critic: asked, and read
drawing.py      which principle is asked about which text
revising.py     preferring.py   by_model.py    its critiques, revisions and comparisons
gathered.py     records and counts
card.py         the card
writing.py      the folder
telling.py      how far a step is
making.py       `make`: all of it
"""
