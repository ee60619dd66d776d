"""Surroundings in which no data is found, and a web server on this machine."""

import contextlib
import http.server
import threading
import time

import pytest


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """An empty home and cache for each test, and no folder named in the environment."""
    monkeypatch.delenv('TFDS_DATA_DIR', raising=False)
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))


class Server:
    """A web server whose answers are set by the test.

    Attributes:
      address: http://127.0.0.1:port.
      files: path without the first slash to its content.
      fault: how it misbehaves: 'none', 'html', 'cut', 'stall', 'silent', 'endless'.
      asked: the paths asked for, in order.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.fault = 'none'
        self.asked: list[str] = []
        self.ended = threading.Event()
        self.address = ''

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        name = handler.path.lstrip('/')
        self.asked.append(name)
        if self.fault == 'silent':
            self.ended.wait(10)
            return
        if self.fault == 'html':
            body, kind = b'<html>Please sign in</html>', 'text/html; charset=utf-8'
        elif name in self.files:
            body, kind = self.files[name], 'application/octet-stream'
        else:
            handler.send_error(404)
            return
        handler.send_response(200)
        handler.send_header('Content-Type', kind)
        if self.fault != 'endless':
            handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        if self.fault in ('cut', 'stall'):
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            if self.fault == 'stall':
                self.ended.wait(10)
            return
        handler.wfile.write(body)
        deadline = time.monotonic() + 10
        while self.fault == 'endless' and time.monotonic() < deadline and not self.ended.is_set():
            handler.wfile.write(bytes(1 << 16))


@pytest.fixture
def server():
    """A running `Server`, stopped at the end of the test."""
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(OSError):  # the client hangs up in the middle: that is tested
                state.answer(self)

        def log_message(self, *_):
            pass

    http_server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    http_server.daemon_threads = True
    thread = threading.Thread(target=http_server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.address = f'http://127.0.0.1:{http_server.server_port}'
    yield state
    state.ended.set()
    http_server.shutdown()
    http_server.server_close()
    thread.join()
