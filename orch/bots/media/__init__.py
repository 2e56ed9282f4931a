"""Sound, camera and microphone between a bot's page and this service."""
