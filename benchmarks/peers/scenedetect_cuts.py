"""Run with the Python of PySceneDetect's own environment: a path of a video in, one a line; its cuts out, as JSON.

`FOLDER<tab>PATH` also writes one picture of each shot into the folder, as the library's own `save_images` does it.
"""

import json
import sys

from scenedetect import ContentDetector, SceneManager, open_video, save_images


def cuts(path: str, folder: str) -> list[int]:
    """First frames of all shots but the first, by the default content detector."""
    video = open_video(path)
    manager = SceneManager()
    manager.add_detector(ContentDetector())
    manager.detect_scenes(video)
    scenes = manager.get_scene_list(start_in_scene=True)
    if folder:
        save_images(scenes, video, num_images=1, output_dir=folder)
    return [start.frame_num for start, _ in scenes[1:]]


for line in sys.stdin:
    folder, _, path = line.rstrip("\n").rpartition("\t")
    print(json.dumps(cuts(path, folder)), flush=True)
