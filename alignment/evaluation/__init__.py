"""Proof: a baseline and a candidate answer the same prompts, and evaluators that had no part in the training judge them.

settings.py       what a recipe may say under `evaluation:`
prompts.py        files of prompts, and what each prompt is there to show
disjoint.py       prompts that stand in the training data, nearly the same
subjects.py       a model that answers: in process, or an OpenAI-compatible server
answers.py        the answers, kept by what they depend on, so that none is made twice
refusal.py harm.py judging.py   the evaluators: refusals, harmful answers, the better of two answers
independence.py   which evaluator took no part in labels and rewards
measuring.py      what each prompt says of each model
statistics.py     how sure a difference is, and how many prompts it takes
comparing.py      `compare`: all of it
result.py         what comes out: evaluation.json
"""
