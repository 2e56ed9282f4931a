"""The browser of a bot: its process, its DevTools connection, its page, and evidence of what it showed."""
