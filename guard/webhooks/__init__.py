"""Webhooks: others are told of blocks, appeals and labels. Signed, at least once, and never on a request's path.

signing.py     `x-guard-signature`, and how a receiver checks it
addresses.py   where a webhook may go: https, or this machine
hooks.py       webhooks by a server's options, and what they are told of blocks
delivering.py  the thread that delivers what is due, with growing pauses between its attempts
"""
