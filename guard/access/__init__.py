"""Who may do what on a server of Tenet's: from a request's headers to a `Caller`, or to an answer that says why not.

credentials.py  find the key in a request, and take it out, so that it never reaches the upstream
routes.py       which roles a route needs
book.py         what is known of keys, read from the store off the request's path
backoff.py      how long somebody has to wait who shows keys that are none
refusals.py     what the audit is told of keys that did not do
access.py       `Access`: all of it together
"""

from guard.access.access import Access

__all__ = ["Access"]
