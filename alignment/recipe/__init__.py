"""Recipes: one YAML file that says which model is aligned with what, how, and what has to hold before it is promoted."""
