"""Wire formats: bytes to judged texts and back."""
