"""Everything compared with everything: arrays in, pairs, groups and neighbours out. Pure: no files, no rows."""
