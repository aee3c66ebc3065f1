"""The explorer: static pages and small data files that a browser reads from the published registry."""
