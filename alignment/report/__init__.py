"""One page that shows what an alignment run did: figures with intervals, curves, answers side by side, where all came from."""
