"""What the host of a session decides: who is muted or removed, whether it is locked, when it ends.

`decisions` is the stored state and its changes; `moderator` makes them on request; `enforcement` applies them
to the members and streams on each worker.
"""
