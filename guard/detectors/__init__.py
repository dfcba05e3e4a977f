"""Whatever finds: the registry and the detectors of the base install."""
