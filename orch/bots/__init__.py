"""Bots that sit in meetings."""
