"""Fit: which variant runs on which GPUs, in what memory, at what length and how many requests at once."""
