"""Models that somebody offers or published and the catalogue does not hold: found, listed, never merged."""
