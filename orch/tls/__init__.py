"""Certificates: trust in those of back ends, and the service's own."""
