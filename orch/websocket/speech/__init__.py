"""Speech from connections and recordings, turned into captions of a session.

`speech_streams` opens, runs and ends streams; `sources` is who speaks in them; `speakers` feeds them from
connections, `recordings` from files; `resumption` decides where a stream continues after a lost connection.
"""
