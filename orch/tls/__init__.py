"""Certificates: which ones of back ends are trusted, and the service's own."""
