"""Responses that are read up to a limit: a hostile server may send a body of any size."""

from __future__ import annotations

import typing as t
from contextlib import aclosing, contextmanager

import httpx2

from .deadline import Deadline

#: Size of an unpacked body that is read, in bytes.
MAX_BODY = 64 * 1024


class _BoundedBody(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The unpacked body of a response, cut off one byte after the limit.

    :param response: the response, not yet read.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._left = MAX_BODY + 1
        # Only logins and refreshes have a deadline.
        self._deadline = response.request.extensions.get("timeout", {}).get("read")

    def __iter__(self) -> t.Iterator[bytes]:
        try:
            # httpx2 unpacks at most 1 MiB at a time.
            for chunk in self._response.iter_bytes():
                yield self._cut(chunk)
                if not self._left:
                    break
        except httpx2.DecodingError:
            return

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        try:
            async with aclosing(self._response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    yield self._cut(chunk)
                    if not self._left:
                        break
        except httpx2.DecodingError:
            return

    def close(self) -> None:
        self._response.close()

    async def aclose(self) -> None:
        await self._response.aclose()

    def _cut(self, chunk: bytes) -> bytes:
        if isinstance(self._deadline, Deadline) and not self._deadline.remaining():
            raise httpx2.ReadTimeout("timed out", request=self._response.request)
        chunk = chunk[: self._left]
        self._left -= len(chunk)
        return chunk


@contextmanager
def bounded(response: httpx2.Response) -> t.Iterator[None]:
    """Within the block, reading ``response`` ends after the limit, or where its body cannot be unpacked.

    A response to a login or a refresh is read until the deadline of its request.

    :raises httpx2.ReadTimeout: by the reading, if the deadline passes.
    """
    headers, stream = response.headers, response.stream
    packed = httpx2.Response(response.status_code, headers=headers, stream=stream, request=response.request)
    response.stream = _BoundedBody(packed)
    response.headers = httpx2.Headers(headers)
    response.headers.pop("Content-Encoding", None)
    try:
        yield
    finally:
        response.headers, response.stream = headers, stream
