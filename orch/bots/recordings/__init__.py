"""Recordings of meetings: of each speaker and mixed, encrypted where there is a key."""
