"""The names under which browsers may speak to a server: any other is somebody else's page, or a mistake."""

import ipaddress
import socket
from urllib.parse import urlsplit

import psutil

from webapp.settings import Settings

DEFAULT_PORTS = {"http": 80, "https": 443}


def known_hosts(settings: Settings, address: str, port: int) -> frozenset[str]:
    """`host:port` as browsers send it: the settings' own, this machine's, and for others all that it is called."""
    found = {name.lower() for name in settings.server.origins}
    if settings.server.public_url:
        found.add(urlsplit(settings.server.public_url).netloc.lower())
    names = {"127.0.0.1", "localhost", _bracketed(address)}
    if not ipaddress.ip_address(address).is_loopback:
        names |= _own_names()
    for name in names:
        found.add(f"{name}:{port}".lower())
        if port == DEFAULT_PORTS["http"]:
            found.add(name.lower())
    return frozenset(found)


def _own_names() -> set[str]:
    """What this machine is called, and its addresses."""
    addresses = {
        one.address.partition("%")[0]
        for cards in psutil.net_if_addrs().values()
        for one in cards
        if one.family in (socket.AF_INET, socket.AF_INET6)
    }
    return {socket.gethostname(), socket.getfqdn(), *(_bracketed(one) for one in addresses)}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
