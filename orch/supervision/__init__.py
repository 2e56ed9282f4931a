"""Branches of the nursery tree: started, watched, restarted by their written policy, and described."""
