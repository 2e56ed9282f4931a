"""The service as its users start it, but that it collects garbage when told: the arguments are ``orch``'s."""

import sys

from benchmarks.peers.asgi_rooms import collect_when_told
from orch.cli import main

if __name__ == "__main__":
    collect_when_told()
    sys.exit(main(sys.argv[1:]))
