"""From feedback and public files to training data: read, resolved, split, checked, written with a card.

rows.py         a file's rows, as they stand there
messages.py     messages in the ways in which others write them
origins.py      where a row comes from, and what is known about it
forms.py        which form a row has, and the records in it
rankings.py     several answers to one prompt, with scores
converting.py   records of one kind as records of another
sources.py      `read`: a file, or a folder that was exported, as records
agreeing.py     what was said more than once, and how far it agrees
splitting.py    which set a record belongs to
leaking.py      prompts of one set that stand in another, nearly the same
lengths.py poisoning.py balance.py privacy.py contradicting.py   what else may be wrong with a set
limits.py       how much of that is allowed
checking.py     all measures of a set, against the limits
redacting.py    private data taken out of records
tokens.py       how long the records are for a tokenizer, and what would be cut off
folder.py       the files of a set: there whole, or not at all
card.py         the data card
preparing.py    `prepare`: all of it
"""
