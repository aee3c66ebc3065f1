"""Join what the sources say: identity crosswalk, field authority, records, changes."""
