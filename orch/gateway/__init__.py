"""Routes requests to the back ends, around those that fail."""
