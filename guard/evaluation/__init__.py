"""How good detectors and policies are, on labelled data: measure them, and choose thresholds that keep a promise."""
