"""Small, real back ends for the demo and the tests."""
