"""One worker among others: asking them, doing once what must be done once, settings for all of them."""
