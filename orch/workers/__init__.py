"""The parent of several workers: starts them, watches them, replaces them one at a time."""
