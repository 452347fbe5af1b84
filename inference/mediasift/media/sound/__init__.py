"""Sound: clips of one rate."""
