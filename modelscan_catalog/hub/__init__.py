"""Questions to the HuggingFace hub that a person asks: search, one repository, a draft entry of it."""
