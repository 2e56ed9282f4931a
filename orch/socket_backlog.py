"""How much of what was sent over a socket has not reached the other machine yet."""

import fcntl
import socket
import struct
import sys
import termios
from typing import Final

_SIZE: Final = struct.Struct("i")


def unacknowledged(sock: socket.socket) -> int:
    """Return the bytes that the kernel has to send, or whose receipt was not confirmed; 0 if it is not known.

    Over a Unix socket: bytes that the other side has not read, with the kernel's overhead (Linux, tcp(7) and
    unix(7): SIOCOUTQ).
    """
    if sys.platform != "linux":
        return 0
    try:
        return int(_SIZE.unpack(fcntl.ioctl(sock, termios.TIOCOUTQ, _SIZE.pack(0)))[0])
    except OSError:  # closed
        return 0
