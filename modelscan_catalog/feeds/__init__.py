"""The catalogue in the shapes that other tools read by URL or file, made from the same records."""
