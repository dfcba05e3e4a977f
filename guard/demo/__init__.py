"""A generator to try the guard on: a small language model in the process, behind OpenAI's chat format.

Needs no key, no download and no service: it is trained in a moment on a text that comes with the package.
"""

from guard.demo.server import demo_app

__all__ = ["demo_app"]
