"""Watches the back ends and starts again what has died."""
