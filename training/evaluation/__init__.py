"""How good masks are: of a split, of spoilt scans, of others' networks."""
