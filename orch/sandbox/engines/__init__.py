"""The speech and translation engines of the sandbox back ends."""
