"""Loopback addresses, and the localhost bypass: requests that need no token under
``API_AUTH_DISABLE_LOCALHOST``."""

from __future__ import annotations

import ipaddress
import re
import typing as t

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]*)?")
_ORIGIN = re.compile("https?://" + _HOST.pattern)
# A proxy sets these headers, or the caller does: in both cases the caller may be on any machine.
_FORWARDED = frozenset(
    (
        *("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_CF_CONNECTING_IP"),
        *("HTTP_X_ORIGINAL_FORWARDED_FOR", "HTTP_TRUE_CLIENT_IP", "HTTP_X_CLUSTER_CLIENT_IP"),
        *("HTTP_FASTLY_CLIENT_IP", "HTTP_X_ENVOY_EXTERNAL_ADDRESS", "HTTP_FORWARDED_FOR"),
        *("HTTP_FLY_CLIENT_IP", "HTTP_X_PROXYUSER_IP", "HTTP_X_AZURE_CLIENTIP", "HTTP_CDN_LOOP"),
        *("HTTP_CLOUDFRONT_VIEWER_ADDRESS", "HTTP_X_APPENGINE_USER_IP"),
    )
)


def is_loopback(host: str) -> bool:
    """Tell whether ``host``, a name or an address without a port, is this machine's loopback interface."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def is_local(environ: WSGIEnvironment) -> bool:
    """Tell whether a request comes from a program on this machine, as far as the request shows.

    A browser on this machine also sends requests for pages of other sites. Such a page shows in ``Origin``
    or, in current browsers, in ``Sec-Fetch-Site``; after DNS rebinding, it shows in ``Host``. ``Host`` also
    reveals a proxy that passes the name on and adds no header of its own.
    """
    if any(name in _FORWARDED or name.startswith("HTTP_X_FORWARDED") for name in environ):
        return False
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
        return False
    for named in (
        _ORIGIN.fullmatch(environ.get("HTTP_ORIGIN", "http://localhost")),
        _HOST.fullmatch(environ.get("HTTP_HOST", "")),
    ):
        if named is None or not is_loopback(named[1] or named[2]):
            return False
    return is_loopback(environ.get("REMOTE_ADDR", ""))
