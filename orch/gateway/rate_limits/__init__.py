"""How often clients may use the back ends: by key, by address, and in all.

- ``policies``: which limits a request falls under, and whose bucket it takes from;
- ``buckets``: the levels of this process; ``fields``: the header fields of responses;
- ``limiter``: the shell, in memory or with a store that several workers share.
"""
