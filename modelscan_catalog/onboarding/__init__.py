"""From a provider's name to a checked client: gather, conclude by rules, infer the rest, generate, check."""
