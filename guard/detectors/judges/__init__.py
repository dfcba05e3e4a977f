"""Detectors that ask a language model: any chat model by a principle (`llm-judge`), or one trained to judge (`llama-guard`)."""
