"""The stages of the audio pipeline, one module each. Start reading at ``stage.py``."""
