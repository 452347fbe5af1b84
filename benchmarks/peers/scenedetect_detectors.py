"""Run with the Python of PySceneDetect's own environment: lines of `{"video": PATH, "detector": NAME}` in, cuts out."""

import json
import sys

from scenedetect import AdaptiveDetector, ContentDetector, detect

DETECTORS = {"content": ContentDetector, "adaptive": AdaptiveDetector}

for line in sys.stdin:
    asked = json.loads(line)
    scenes = detect(asked["video"], DETECTORS[asked["detector"]](), start_in_scene=True)
    print(json.dumps({"seconds": [start.seconds for start, _ in scenes[1:]]}), flush=True)
