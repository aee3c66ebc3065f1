"""From checked records to the registry that others read: schemas, checks, files, one atomic swap."""
