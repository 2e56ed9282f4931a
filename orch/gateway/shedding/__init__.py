"""How many requests an instance gets at a time, who waits for a place, and who is refused.

- ``priorities``: the classes of requests;
- ``instance_places``: the places of one instance; ``found_limit``: how many it has, where that is measured;
- ``waiting_order``: who waits, and who is next;
- ``gate``: the shell, one for each service.
"""
