"""Fine-tuning by the same constitution that guards."""
