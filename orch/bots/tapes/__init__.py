"""A bot's raw signals on a tape, and their replay."""
