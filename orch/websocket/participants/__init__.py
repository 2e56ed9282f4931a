"""Who is in a session: one participant, their names, the list that others see, and its changes.

`member` is one who is connected here; `presence` publishes the changes.
"""
