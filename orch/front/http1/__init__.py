"""HTTP/1.1 on one connection: pure parsers and encoders, and what drives them.

``request_parser`` (with ``request_head``, ``chunk_decoder``, ``refusals``) and ``responses`` are pure;
``request_reader`` reads the socket, ``exchange`` is one request with its response, ``connection`` the loop.
"""
