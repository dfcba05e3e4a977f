"""What authors of policies use: tests beside the policy."""
