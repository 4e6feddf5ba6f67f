"""An httpx transport over aiohttp for the SDK's client: half the CPU of the default one at 256 connections.

Invariant: a connection with unexpected data is closed before it is reused, so that a response delivered twice is never
taken for the response to the next request. The same check finds connections that the server has closed, which would
cost an attempt. Data that arrives between a request and its own response cannot be detected over HTTP/1.1.
"""

import select
import socket
from typing import Any
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
import httpx2

from in2_plugin.errors import one_line


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests and reads responses without streaming."""

    def __init__(self, max_concurrent: int) -> None:
        """Allow up to `max_concurrent` connections; the first request opens the first one."""
        self._max_concurrent = max_concurrent
        self._session: aiohttp.ClientSession | None = None
        self._proxies = getproxies()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request, with the client's `connect` and `read` timeouts.

        Raises:
            httpx2.ConnectTimeout, ConnectError: no connection was established.
            httpx2.ReadTimeout: the response did not arrive in time.
            httpx2.ReadError: the connection broke, or the response is not HTTP.
        """
        session = self._session = self._session or self._open()
        limits = request.extensions.get("timeout", {})
        try:
            async with session.request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=await request.aread() or None,
                allow_redirects=False,
                proxy=self._proxy(request.url),
                timeout=aiohttp.ClientTimeout(sock_connect=limits.get("connect"), sock_read=limits.get("read")),
            ) as response:
                content = await response.read()
        except aiohttp.SocketTimeoutError as failure:
            raise httpx2.ReadTimeout(str(failure)) from None
        except aiohttp.ServerTimeoutError as failure:
            raise httpx2.ConnectTimeout(str(failure)) from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as failure:
            raise httpx2.ConnectError(str(failure)) from None
        except aiohttp.ClientResponseError:
            # it quotes the request headers, including the key
            raise httpx2.ReadError("the response is not HTTP") from None
        except (aiohttp.ClientError, OSError) as failure:
            raise httpx2.ReadError(one_line(failure)) from None
        return httpx2.Response(response.status, headers=response.raw_headers, content=content, request=request)

    def _open(self) -> aiohttp.ClientSession:
        connector = _CheckingConnector(limit=self._max_concurrent, ssl=httpx2.create_ssl_context())
        return aiohttp.ClientSession(connector=connector, auto_decompress=False)

    def _proxy(self, url: httpx2.URL) -> str | None:
        # aiohttp's own `trust_env` reads ~/.netrc for each request, and rejects a key next to an entry there
        return None if proxy_bypass(url.host) else self._proxies.get(url.scheme)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()


class _CheckingConnector(aiohttp.TCPConnector):
    """Reuses a connection only if nothing has arrived on it since its last response, not even its end."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._used: WeakSet[Any] = WeakSet()

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        while True:
            connection: Any = await super().connect(*args, **kwargs)
            protocol = connection.protocol
            # on a new connection TLS sends session tickets
            is_new = protocol not in self._used
            if is_new or not (protocol.should_close or _is_unread(connection.transport)):
                self._used.add(protocol)
                return connection
            connection.close()


def _is_unread(transport: Any) -> bool:
    """Return True if the socket has data, or its end, that the event loop has not read."""
    found: socket.socket | None = transport.get_extra_info("socket")
    if found is None:
        return False
    unread = select.poll()
    unread.register(found.fileno(), select.POLLIN)
    return bool(unread.poll(0))
