"""Hypercorn as the server (HTTP/2 and HTTP/3 as well), with the limits of our own front around it."""
