"""What people say about exchanges, taken in: `POST /guard/feedback`, and what can be told without anybody saying it.

statements.py   the wire: what a request says, and what is wrong with it
rates.py        how much feedback a token, a person, a key and an address may give
trust.py        how far a source counts, and whether it stands out: pure functions
standing.py     what is known of sources and of what others said, in bounded memory
route.py        the route: who speaks, how far that counts, and the answer after the commit
implicit.py     an answer asked for again, a block tried again
suggestions.py  the scores that clients of the Perspective API suggest
"""
