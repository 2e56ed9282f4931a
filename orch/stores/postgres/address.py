"""Says where a server is without its password. Pure."""

from urllib.parse import urlsplit


def server_of(address: str) -> str:
    """Return host, port and database of an address, without user and password."""
    parts = urlsplit(address)
    host = parts.hostname or "localhost"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{host}{port}{parts.path}"
