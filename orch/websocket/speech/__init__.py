"""Speech from clients and recordings, turned into captions of a session.

`speech_streams` opens, feeds and ends streams; `recordings` feeds them from files; `resumption` decides
where a stream continues after a lost connection.
"""
