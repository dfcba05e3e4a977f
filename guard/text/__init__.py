"""Views of a text: what a reader or a machine would make of it, each with a map back to the original.

*raw* is the text itself; *canonical* has its characters normalised, what is invisible removed and HTML entities decoded; *folded*
is for word lists: disguised words as a reader sees them; *decoded* are the texts that encoded runs stand for.

A growing text is read again from a `cut` on: what a view says never depends on how the text arrived, a view tells how much of it
is settled, and what position of the original settled it.
"""

from guard.text.delimiters import LONGEST
from guard.text.reading import NAMES, UNPLAIN, Reading, View, canonical, folded, is_plain, read

__all__ = ["LONGEST", "NAMES", "UNPLAIN", "Reading", "View", "canonical", "folded", "is_plain", "read"]
