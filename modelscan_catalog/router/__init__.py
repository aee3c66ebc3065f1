"""The runtime router: its configuration, how the pipeline emits it, and the process that serves it."""
