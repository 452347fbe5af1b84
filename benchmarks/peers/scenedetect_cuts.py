"""Run with the Python of PySceneDetect's own environment: paths of videos in, one a line; their cuts out, as JSON."""

import json
import sys

from scenedetect import ContentDetector, SceneManager, open_video


def cuts(path: str) -> list[int]:
    """First frames of all shots but the first, by the default content detector."""
    manager = SceneManager()
    manager.add_detector(ContentDetector())
    manager.detect_scenes(open_video(path))
    return [start.frame_num for start, _ in manager.get_scene_list()[1:]]


for line in sys.stdin:
    print(json.dumps(cuts(line.rstrip("\n"))), flush=True)
