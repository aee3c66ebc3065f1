"""The ``modelscan`` command; each subcommand's module is imported only when it is called."""
