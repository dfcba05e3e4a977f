"""A model in a folder as an upstream: it answers in this process, in OpenAI's chat format, behind the guard.

loading.py      the model: from safetensors or GGUF, and without code of its own
prompting.py    a conversation as tokens
drawing.py      which token comes next
following.py    the tokens as text, until an answer ends
generating.py   one request at a time, in a thread
server.py       OpenAI's chat completions
"""
