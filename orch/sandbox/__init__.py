"""Small back ends with real engines, for the demo and the tests."""
