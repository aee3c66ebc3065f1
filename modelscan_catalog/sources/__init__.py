"""The four public sources: one adapter each, one runner that owns HTTP, caching and politeness."""
