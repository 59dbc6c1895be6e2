"""gunicorn's threaded worker, held to time limits and quick to stop.

What it does not do by itself (gunicorn 25):

- A small request that has arrived whole is answered at once, without a thread: see ``small_requests``.
- A connection that has sent nothing yet, or a part of a small request, waits in the poller. There it costs nothing; in
  a thread, a few slow connections would keep all requests waiting.
- A request that does not arrive, or an answer that is not taken, within ``timeout`` seconds is ended.
- A request that arrived together with the end of the one before it is answered, and not left in a buffer that no
  poller looks at.
- A body is taken to its end before its connection is closed, so that the client reads the answer and not a reset.
- What is no HTTP is told in plain text, and nothing of it is logged.
- On SIGTERM idle connections are closed at once, so that a stop takes as long as the requests at work, and no longer.
  A request that has reached one of them by then is answered first.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, ParseException, UnsupportedTransferCoding
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

from linear_learner.serving import small_requests
from linear_learner.serving.invocations import LONGEST_ERROR, TEXT
from linear_learner.serving.small_requests import Exchange

FIRST_BYTE_SECONDS = 10
LAST_BYTE_SECONDS = 15
"""How long a client may take for what is left of an answer when its time is over."""
TICK_SECONDS = 0.25
"""How often a worker that is stopping looks whether it is done."""
RECEIVE_BYTES = 1 << 16

STATUS = {
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
"""Of what is no HTTP that can be read, where it is not 400."""


class RequestInput:
    """``wsgi.input``: the body of one request, which knows whether reading it went wrong."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.failed = False

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._reader.read(size)
        except Exception:
            self.failed = True
            raise
        return data

    def drain(self) -> None:
        """Read what the application left, so that the connection can carry another request."""
        while self.read(RECEIVE_BYTES):
            pass


class Worker(ThreadWorker):
    """See the module. ``cfg.timeout`` is the limit of a request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun: dict[TConn, float] = {}
        """When the request that a connection is busy with began."""
        self._arrived: dict[TConn, bytes] = {}
        """Of small requests the parts that are there, which belong to no other collection of connections."""

    def accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker took it; the client went away
            return
        self.nr_conns += 1
        connection = TConn(self.cfg, client, address, listener.getsockname())
        if not self.cfg.is_ssl:  # whose handshake waits for the client
            connection.init()
            client.setblocking(False)
        connection.timeout = time.monotonic() + FIRST_BYTE_SECONDS
        self.pending_conns.append(connection)
        self.poller.register(client, selectors.EVENT_READ, partial(self.on_pending_socket_readable, connection))

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        if not self._answered_at_once(conn, self.pending_conns):
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        if not self._answered_at_once(conn, self.keepalived_conns):
            super().on_client_socket_readable(conn, client)

    def _answered_at_once(self, conn: TConn, waiting: deque[TConn]) -> bool:
        """Answer the request of a connection that waits for one, if it can be done without waiting for the client. If
        not, what was read is left for the thread that will do it."""
        if self.cfg.is_ssl:
            return False
        try:
            received = conn.sock.recv(small_requests.MOST_BYTES)
        except BlockingIOError:  # nothing is there after all
            if conn in self._arrived:
                waiting.remove(conn)
            return True
        except OSError:  # the thread will meet the same
            received = b""
        data = self._arrived.pop(conn, b"") + received
        missing = small_requests.missing(data)
        if received and missing:
            waiting.remove(conn)
            self._keep(conn, data)
            return True
        conn.parser.unreader.unread(data)
        if missing != 0:
            return False
        self._begun.pop(conn, None)
        exchange = Exchange(conn)
        keep = self._handle_now(conn, exchange)
        self._sent(conn, waiting, exchange.sock.content(), keep)
        return True

    def _keep(self, conn: TConn, data: bytes) -> None:
        """What is there of a small request, until there is more or its time is over."""
        self._arrived[conn] = data
        self._begun.setdefault(conn, time.monotonic())
        self.poller.modify(conn.sock, selectors.EVENT_READ, partial(self._on_more_readable, conn))

    def _on_more_readable(self, conn: TConn, client: socket.socket) -> None:
        self.pending_conns.append(conn)  # as if it waited for its first byte, until what arrived is looked at
        self.on_pending_socket_readable(conn, client)

    def _handle_now(self, conn: TConn, exchange: Exchange) -> bool:
        """Whether the connection can carry another request."""
        request = None
        try:
            request = next(conn.parser)
            return self.handle_request(request, exchange)
        except StopIteration:  # an answer that broke off
            return False
        except Exception as error:
            self.handle_error(request, exchange.sock, conn.client, error)
            return False

    def _sent(self, conn: TConn, waiting: deque[TConn], answer: bytes, keep: bool) -> None:
        """Send what can be sent without waiting, and leave the rest to a thread."""
        try:
            rest = answer[conn.sock.send(answer) :]
        except BlockingIOError:
            rest = answer
        except OSError:  # the client has closed it
            rest, keep = b"", False
        waiting.remove(conn)
        if keep and not rest:
            conn.set_timeout()
            self.keepalived_conns.append(conn)
            if waiting is not self.keepalived_conns:
                on_readable = partial(self.on_client_socket_readable, conn)
                self.poller.modify(conn.sock, selectors.EVENT_READ, on_readable)
            return
        self.poller.unregister(conn.sock)
        if rest:
            self._in_thread(conn, partial(self._send_rest, conn, rest, keep))
        else:
            self.nr_conns -= 1
            conn.close()

    def _send_rest(self, conn: TConn, rest: bytes, keep: bool) -> bool:
        try:
            conn.sock.setblocking(True)
            conn.sock.sendall(rest)
        except OSError:
            return False
        return keep

    def enqueue_req(self, conn: TConn) -> None:
        self._in_thread(conn, partial(self.handle, conn))

    def _in_thread(self, conn: TConn, work: Callable[[], Any]) -> None:
        """Do what is to be done for a connection; ``work`` tells whether it can carry another request."""
        self._begun.setdefault(conn, time.monotonic())
        done = self.tpool.submit(work)
        done.add_done_callback(partial(self.method_queue.defer, self.finish_request, conn))

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        self._begun.pop(conn, None)
        super().finish_request(conn, fs)

    def handle(self, conn: TConn) -> Any:
        keep = super().handle(conn)
        while keep is True and conn.parser.unreader.buf.getbuffer().nbytes:
            self._begun[conn] = time.monotonic()
            keep = super().handle(conn)
        return keep

    def handle_request(self, req: Any, conn: TConn | Exchange) -> bool:
        # Past gunicorn's Body, which serves lines and takes a large body in steps of 1 KiB.
        req.body = RequestInput(req.body.reader)
        conn.parser.unreader.mxchunk = RECEIVE_BYTES
        keep: bool = super().handle_request(req, conn)
        # After broken chunks nobody knows where the next request begins.
        if req.body.failed:
            return False
        if not keep:
            with suppress(OSError):  # the client has closed it
                conn.sock.shutdown(socket.SHUT_WR)
        # Before it is closed as well: what nobody has read by then resets it, and the client may lose the answer.
        req.body.drain()
        return keep

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """What is no HTTP is told in a sentence, as all that is wrong with a request is. The log gets its kind alone:
        what could not be read may be somebody's data."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("A request is no HTTP that can be read: %s", type(exc).__name__)
        status = next((code for kind, code in STATUS.items() if isinstance(exc, kind)), HTTPStatus.BAD_REQUEST)
        sentence = f"{status.phrase}: {exc}"[:LONGEST_ERROR].encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: {TEXT}\r\n"
            f"Content-Length: {len(sentence)}\r\n\r\n"
        )
        with suppress(OSError):  # the client has closed it
            write_nonblock(client, head.encode() + sentence)

    def murder_keepalived(self) -> None:
        """Called by the main loop about once a second, and while stopping."""
        super().murder_keepalived()
        self._end_overdue(time.monotonic())

    def _end_overdue(self, now: float) -> None:
        """First nothing more is read, so that the application can still answer 400; then the connection is cut."""
        for connection, begun in self._begun.items():
            overdue = now - begun - self.timeout_seconds
            if overdue > 0:
                how = socket.SHUT_RD if overdue < LAST_BYTE_SECONDS else socket.SHUT_RDWR
                with suppress(OSError):  # the client has closed it
                    connection.sock.shutdown(how)

    @property
    def timeout_seconds(self) -> float:
        return float(self.cfg.timeout)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self.alive:
            super().wait_for_and_dispatch_events(timeout)
            return
        super().wait_for_and_dispatch_events(0)
        self._close_idle()
        super().wait_for_and_dispatch_events(min(timeout, TICK_SECONDS))

    def _close_idle(self) -> None:
        for waiting in (self.keepalived_conns, self.pending_conns):
            while waiting:
                connection = waiting.popleft()
                self.poller.unregister(connection.sock)
                self.nr_conns -= 1
                connection.close()
