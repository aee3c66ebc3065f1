"""One process for everything that answers: the registry's API, its admin endpoints and the router."""
