"""The bot's camera: translated captions by speaker as a picture."""
