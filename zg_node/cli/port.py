"""Whether a TCP port can be listened on, asked before anything is begun."""

from __future__ import annotations

import ipaddress
import socket


def refusal(host: str, port: int) -> str | None:
    """Why nobody can listen on `host`, an IP address, and `port` now; None when one can."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None
