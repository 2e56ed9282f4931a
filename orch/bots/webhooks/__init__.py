"""Webhooks of bots: what is sent to programs, how it is signed, where it may go, and when it is repeated."""
