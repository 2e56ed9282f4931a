"""HTTP/1.1 on one connection: pure parsers and encoders (request_parser, responses), and what drives them."""
