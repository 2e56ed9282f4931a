"""Reverse proxies that the gateway is measured beside, and the back ends they stand in front of."""
