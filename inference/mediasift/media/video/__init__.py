"""Video: frames, shots and cuts."""
