"""One worker among others: surveys, leases for what one worker alone may do, shared settings."""
