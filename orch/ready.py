"""``python -m orch.ready [URL]``: exit code 0 once the service can work. The health check of the container.

It starts in a fraction of the time of ``orch``, as it runs every few seconds, and the image needs no curl.
"""

import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

#: Seconds that a response may take; the check of the Dockerfile ends after 5.
TIMEOUT: Final = 3.0

#: Bytes of a response that are shown.
SHOWN: Final = 2000

READY: Final = 200


def own_url(environ: Mapping[str, str]) -> str:
    """Return where the service of this container listens, from the variables that its image sets."""
    scheme = "https" if environ.get("TLS_CERTIFICATE") else "http"
    return f"{scheme}://127.0.0.1:{environ.get('PORT', '3000')}"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Print the response of ``/readyz``; return 0 if it is positive, 1 if it is not, or if there is none."""
    address = urlsplit(arguments[0] if arguments else own_url(environ))
    connection: HTTPConnection
    if address.scheme == "https":
        # Its certificate has the public name; this is a connection to the same container.
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection(address.netloc, timeout=TIMEOUT, context=trusting)
    else:
        connection = HTTPConnection(address.netloc, timeout=TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        text = response.read(SHOWN).decode(errors="replace")
    except (OSError, HTTPException) as error:
        sys.stdout.write(f"{address.geturl()} does not respond: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{response.status} {text}\n")
    return 0 if response.status == READY else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
