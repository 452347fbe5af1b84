"""Run with the Python of ppi-python's own environment: `{"file": NPZ, "corpus": N}` in, 95 % intervals out."""

import json
import sys

import numpy as np
from ppi_py import ppi_mean_ci

for line in sys.stdin:
    request = json.loads(line)
    intervals = []
    with np.load(request["file"]) as samples:
        for number, share in enumerate(samples["shares"]):
            predicted, true, weights = (samples[f"{name}{number}"] for name in ("predicted", "true", "weights"))
            corpus = np.zeros(request["corpus"])
            corpus[: round(share * request["corpus"])] = 1
            weighted = weights if np.ptp(weights) else None
            low, high = ppi_mean_ci(true, predicted, corpus, alpha=0.05, w=weighted)
            intervals.append((float(low[0]), float(high[0])))
    print(json.dumps({"intervals": intervals}), flush=True)
