"""From what a bot observes of its meeting to captions by speaker: in the hub, the store, on the camera."""
