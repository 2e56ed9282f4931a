"""A meeting driven by a script, for the demo and the tests: its pages, sounds, captions, and truth."""
