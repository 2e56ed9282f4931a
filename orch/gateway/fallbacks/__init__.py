"""What a client gets when the service of its route fails: another service, a stored or a static response.

- ``outcomes``: which failures a fallback is for; ``chain``: which ones are tried, in which order;
- ``lifetimes``: which responses may be stored, and for how long (RFC 9111, RFC 5861); ``keys``: for whom;
- ``cache``, ``keeper``, ``aging``: the last good responses, bounded, and their age;
- ``marks``: the header fields that say what a response is;
- ``episodes``: when the use of fallbacks begins and ends;
- ``watch``, ``runner``, ``static_bodies``: the shell.
"""
