"""The registry over HTTP: a server of its endpoints, and the same answers as files."""
