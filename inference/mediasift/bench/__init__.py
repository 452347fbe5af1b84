"""How fast a model is on this machine, and why not faster: scenarios, stages, limits, sweeps, comparisons."""
