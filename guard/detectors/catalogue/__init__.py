"""What may stand behind `use:`, described without importing what it needs. One file for each family of detectors."""
