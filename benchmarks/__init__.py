"""Measurements against named peers, alternating within one run; results, with the machine in them, in `results/`."""
