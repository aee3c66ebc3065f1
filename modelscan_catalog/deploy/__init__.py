"""What touches real machines: which cards are there, plans for them, deployments, weights on disk."""
