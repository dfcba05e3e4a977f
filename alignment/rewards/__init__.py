"""What online methods learn from: the policy itself, a reward model, and small things that are measured.

The policy that guards at run time is a reward as it is: an answer that it would have to act on is worth less. As saying nothing
is always safe, it wants something beside it that rewards being of use: a reward model, or at least a length to reach.
"""
