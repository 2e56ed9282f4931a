"""The participants of a session: their names, the list that others see, and its changes.

`member` is a participant connected to this worker; `presence` publishes the changes.
"""
