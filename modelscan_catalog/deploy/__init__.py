"""What touches real machines: which GPUs are there."""
