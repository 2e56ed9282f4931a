"""Restart hooks: what restarts a back end that is not a child process of the service.

Each hook is called once for one attempt, within the caller's deadline, and may be cancelled at any time.
"""
