"""Reading a response of a server that may be hostile: its body has a limit, packed and unpacked."""

from __future__ import annotations

import typing as t
from contextlib import aclosing, contextmanager, suppress

import httpx2

from .deadline import ShrinkingTimeout

#: Size of a body that is read, in bytes.
MAX_BODY = 64 * 1024


class _BoundedBody(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The unpacked body of a response, cut off one byte after the limit.

    :param response: the response, not yet read.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = httpx2.Response(
            response.status_code, headers=response.headers, stream=response.stream, request=response.request
        )
        # Only logins and refreshes have a deadline.
        self._deadline = response.request.extensions.get("timeout", {}).get("read")
        self._packed = bytearray()

    def __iter__(self) -> t.Iterator[bytes]:
        for chunk in self._response.iter_raw():
            if not self._take(chunk):
                break
        yield self._unpacked()

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        async with aclosing(self._response.aiter_raw()) as chunks:
            async for chunk in chunks:
                if not self._take(chunk):
                    break
        yield self._unpacked()

    def close(self) -> None:
        self._response.close()

    async def aclose(self) -> None:
        await self._response.aclose()

    def _take(self, chunk: bytes) -> bool:
        """Keep ``chunk``, and return whether to read on.

        :raises httpx2.ReadTimeout: if the deadline has passed.
        """
        if isinstance(self._deadline, ShrinkingTimeout) and not self._deadline.remaining():
            raise httpx2.ReadTimeout("timed out", request=self._response.request)
        self._packed += chunk
        return len(self._packed) <= MAX_BODY

    def _unpacked(self) -> bytes:
        stream = httpx2.ByteStream(bytes(self._packed[: MAX_BODY + 1]))
        body = bytearray()
        with suppress(httpx2.DecodingError):
            # httpx2 unpacks at most 1 MiB at a time.
            for part in httpx2.Response(200, headers=self._response.headers, stream=stream).iter_bytes():
                body += part
                if len(body) > MAX_BODY:
                    break
        return bytes(body[: MAX_BODY + 1])


@contextmanager
def bounded(response: httpx2.Response) -> t.Iterator[None]:
    """Within the block, reading ``response`` ends after the limit, or where its body cannot be unpacked.

    A response to a login or a refresh is read until the deadline of its request.

    :raises httpx2.ReadTimeout: by the reading, if the deadline passes.
    """
    headers, stream = response.headers, response.stream
    response.stream = _BoundedBody(response)
    response.headers = httpx2.Headers(headers)
    response.headers.pop("Content-Encoding", None)
    try:
        yield
    finally:
        response.headers, response.stream = headers, stream
