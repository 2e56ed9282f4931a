"""Accepts connections and hands them to the ASGI application."""
