"""Permissions: one table and one pure decision, checked for HTTP requests, handshakes and messages."""
