"""The store's migrations, oldest first; `guard store migrate` runs them."""
