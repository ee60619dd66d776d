"""A headless Chromium, driven through its DevTools protocol over two pipes.

Pipes (`--remote-debugging-pipe`) need no port, no driver and no library for web sockets: messages
are JSON, each ended by a zero byte. https://chromedevtools.github.io/devtools-protocol/
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from typing import Any

# What a machine without a display, a user and a network needs.
_FLAGS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--force-color-profile=srgb',
    '--hide-scrollbars',
    '--remote-debugging-pipe',
)
_NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')


def find() -> str | None:
    """The browser of this machine: CHROMIUM names one, else one of the usual names; or None."""
    return os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """One page of a browser of its own; use it as a context.

    Attributes:
      complaints: what the pages so far wrote to the console as an error or a warning, what they
        threw, and what they were refused, in words.
    """

    def __init__(self, executable: str, seconds: float = 60.0):
        """`seconds`: how long the browser may take for any one answer."""
        self._seconds = seconds
        self._executable = executable
        self._count = 0
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    def __enter__(self) -> 'Browser':
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # The browser reads from 3 and writes to 4; a shell puts the pipes there.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        flags = [*_FLAGS, f'--user-data-dir={self._profile.name}', 'about:blank']
        self._process = subprocess.Popen(
            ['bash', '-c', script, 'bash', self._executable, *flags],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in, self._left = ours_out, ours_in, b''
        os.set_blocking(self._in, False)
        self._session = None
        page = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=page, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')
        return self

    def __exit__(self, *exception: Any) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
        self._profile.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command of the protocol; RuntimeError if it is an error."""
        self._count += 1
        message = {'id': self._count, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._read()
            if answer.get('id') == self._count:
                if 'error' in answer:
                    raise RuntimeError(f'{method}: {answer["error"]["message"]}')
                return answer['result']

    def open(self, path: pathlib.Path) -> None:
        """Opens a file and waits until it is loaded."""
        self._events.clear()
        self.call('Page.navigate', url=path.resolve().as_uri())
        self._wait_until_loaded()

    def open_until(self, path: pathlib.Path, expression: str, value: Any) -> Any:
        """Opens a file again and again until an expression has a value; returns its last value.

        For what a page leaves behind, as in `localStorage`: the browser's processes tell one
        another of it in their own time, and a page opened at once may be too early.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            self.open(path)
            found = self.evaluate(expression)
            if found == value or time.monotonic() > deadline:
                return found

    def follow(self, selector: str) -> None:
        """Clicks a link and waits until the page it leads to is loaded."""
        self._events.clear()
        self.click(selector)
        self._wait_until_loaded()

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; RuntimeError if it throws."""
        answer = self.call(
            'Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True
        )
        if 'exceptionDetails' in answer:
            raise RuntimeError(answer['exceptionDetails']['exception'].get('description'))
        return answer['result'].get('value')

    def screen(self, width: int, height: int, dark: bool = False, media: str = 'screen') -> None:
        """The size of the window in CSS pixels, the user's colour scheme, and screen or print."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.call('Emulation.setEmulatedMedia', media=media, features=[scheme])

    def click(self, selector: str) -> None:
        """Clicks the middle of an element, as a mouse does: what lies over it gets the click."""
        where = self._middle(selector)
        for kind in ('mouseMoved', 'mousePressed', 'mouseReleased'):
            count = 0 if kind == 'mouseMoved' else 1
            self.call(
                'Input.dispatchMouseEvent', type=kind, button='left', clickCount=count, **where
            )

    def point(self, x: float, y: float) -> None:
        """Moves the mouse to a point of the window."""
        self.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)

    def press(self, key: str, code: int) -> None:
        """Presses a key, given by its name and its Windows key code."""
        for kind in ('rawKeyDown', 'keyUp'):
            self.call(
                'Input.dispatchKeyEvent', type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def _middle(self, selector: str) -> dict[str, float]:
        return self.evaluate(
            f"""(() => {{
              const found = document.querySelector({json.dumps(selector)});
              if (!found) throw new Error('nothing is ' + {json.dumps(selector)});
              found.scrollIntoView({{block: 'center'}});
              const box = found.getBoundingClientRect();
              return {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
            }})()"""
        )

    def _wait_until_loaded(self) -> None:
        while not any(event['method'] == 'Page.loadEventFired' for event in self._events):
            self._read()

    def _read(self) -> dict[str, Any]:
        """The next message: an answer or an event."""
        deadline = time.monotonic() + self._seconds
        while b'\0' not in self._left:
            try:
                part = os.read(self._in, 1 << 20)
                if not part:
                    raise RuntimeError(f'{self._executable} ended')
                self._left += part
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f'{self._executable} does not answer') from None
                time.sleep(0.005)
        message, _, self._left = self._left.partition(b'\0')
        found = json.loads(message)
        if 'method' in found:
            self._events.append(found)
            self._note(found['method'], found['params'])
        return found

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == 'Runtime.exceptionThrown':
            details = params['exceptionDetails']
            self.complaints.append(details.get('exception', {}).get('description', details['text']))
        if method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning'):
            self.complaints.append(' '.join(str(a.get('value', a)) for a in params['args']))
        if method == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
            self.complaints.append(params['entry']['text'])
