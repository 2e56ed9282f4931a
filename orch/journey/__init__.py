"""The synthetic journey: a second of speech, sent as a user would, and its caption."""
