"""Pages on which a table is looked at."""
