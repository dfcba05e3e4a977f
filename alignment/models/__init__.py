"""Load language models safely, and sample answers of them."""
