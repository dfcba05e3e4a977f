"""`python -m alignment` is the command `align`: what `accelerate launch -m` starts."""

from alignment.cli import main

main()
