"""How a bot joins a meeting on a page and reads it: one adapter for each kind of page."""
