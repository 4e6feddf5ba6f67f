"""The connections that requests travel over: aiohttp under the SDK's client.

Invariant: a connection on which anything lies that no request asked for is closed, so that an answer which is
delivered twice is not taken for the answer to the next request. The same look sees a connection that the server has
closed meanwhile, which would cost an attempt. What arrives in the moment between sending and the true answer cannot be
told apart by anyone who speaks HTTP/1.1. Half the CPU of the SDK's default transport at 256 connections.
"""

import select
import socket
from typing import Any
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
import httpx2


class Wire(httpx2.AsyncBaseTransport):
    """Sends requests and reads answers, both whole."""

    def __init__(self, at_once: int) -> None:
        """Prepare up to `at_once` connections; the first request opens the first."""
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None
        self._proxies = getproxies()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request, with the client's `connect` and `read` timeouts.

        Raises:
            httpx2.ConnectTimeout, ConnectError: no connection came about.
            httpx2.ReadTimeout: nothing more came.
            httpx2.ReadError: it broke, or what came back is not HTTP.
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
            # it holds the headers that were sent, the key among them
            raise httpx2.ReadError("what came back is not HTTP") from None
        except (aiohttp.ClientError, OSError) as failure:
            raise httpx2.ReadError(str(failure) or type(failure).__name__) from None
        return httpx2.Response(response.status, headers=response.raw_headers, content=content, request=request)

    def _open(self) -> aiohttp.ClientSession:
        connector = _Connector(limit=self._at_once, ssl=httpx2.create_ssl_context())
        return aiohttp.ClientSession(connector=connector, auto_decompress=False)

    def _proxy(self, url: httpx2.URL) -> str | None:
        # aiohttp's own `trust_env` would read ~/.netrc for each request, and refuse a key beside what it finds there
        return None if proxy_bypass(url.host) else self._proxies.get(url.scheme)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()


class _Connector(aiohttp.TCPConnector):
    """Hands out a connection again only if nothing came over it since its last answer, not even its end."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._known: WeakSet[Any] = WeakSet()

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        while True:
            connection: Any = await super().connect(*args, **kwargs)
            protocol = connection.protocol
            # over a new one TLS sends tickets unasked
            is_new = protocol not in self._known
            if is_new or not (protocol.should_close or _is_unread(connection.transport)):
                self._known.add(protocol)
                return connection
            connection.close()


def _is_unread(transport: Any) -> bool:
    """Whether the event loop has yet to read what came, or the end of the connection."""
    found: socket.socket | None = transport.get_extra_info("socket")
    if found is None:
        return False
    unread = select.poll()
    unread.register(found.fileno(), select.POLLIN)
    return bool(unread.poll(0))
