"""Many policies on one server: which of them a request gets, by route, caller or header, as one file of choices says.

when.py       conditions of a choice: what holds for a request, what one condition says of another. Pure
choices.py    `Choices`: the first choice that holds tells the policy. Pure
schema.py     what the file may say
reading.py    the file and all its policies, with every mistake at once
signing.py    sign the file with every file of its policies, and check that
writable.py   whether this process could write where they lie
policies.py   `Policies`: a guard for each policy, and which one a request gets
"""

from guard.choosing.policies import Policies

__all__ = ["Policies"]
