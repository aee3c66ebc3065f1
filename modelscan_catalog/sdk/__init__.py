"""Clients that are generated from what is known of a provider's interface, and the base that they share."""
