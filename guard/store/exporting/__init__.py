"""From feedback to training data: files that trainers take as they are, with a card that says what is in them.

asked.py          what is asked for
conversations.py  the messages and answers of an exchange, from the texts that were kept of it
sweeping.py       secrets and personal data taken out of texts that were kept in full
contexts.py       what feedback is about, read from the store in batches
statements.py     what each piece of feedback says in terms of the format
gathering.py      all feedback, labels and pairs of a tenant, as statements
spool.py          where statements wait on the disk until all of them are there
resolving.py      one verdict from all statements about the same texts, and how far they agree
splitting.py      which set a record belongs to, the same today and when there is more
likeness.py       texts that are nearly the same
choosing.py       leaves out what is there already, or would leak from one set into another
records.py        columns of each format
files.py          JSON lines and Parquet
card.py           the data card
exporting.py      `export`: all of it, into a folder that is there whole or not at all
"""
