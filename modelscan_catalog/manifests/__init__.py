"""A launch plan written as each target's own document, and the linter that checks such documents."""
