"""Text classifiers that run on this machine: whatever model a user has, behind one way of cutting, batching and labelling."""
