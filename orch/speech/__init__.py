"""From speech to captions: streams, transcription, translation, exports."""
