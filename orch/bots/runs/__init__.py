"""One bot's stay in a meeting: what is decided about it, and the nursery in which it happens."""
