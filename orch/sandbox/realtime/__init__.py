"""The WebSocket of vLLM for live transcription, ``/v1/realtime``, in front of the sandbox's engines."""
