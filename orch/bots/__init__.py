"""Bots that join meetings."""
