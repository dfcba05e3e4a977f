"""A model in a folder as an upstream: it answers in this process, in OpenAI's chat format, behind the guard."""
