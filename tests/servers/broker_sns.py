"""moto's SNS, which signs each message with a certificate of its own. It posts a message once, whatever the answer is; what AWS does then is done here: again,
until it is taken."""

import http.client
import os
import queue
import threading
import time

from brokers import SENDERS, Broker
from harness import free_port
from http_peer import Handler, HttpPeer
from test_proxy import Proxy
from topics import MOTO, TOPIC, front

POSTS = 8  # at the same time
AGAIN = 1.0  # seconds


class Taking(Handler):
    def do_POST(self):
        body = self.read_body()
        if body is not None:
            self.server.peer.waiting.put((self.headers, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()


class Repeater(HttpPeer):
    """Takes each message, and posts it to the daemon until that says 200."""

    def __init__(self, t, port):
        self.port_to, self.waiting = port, queue.Queue()
        super().__init__(Taking)
        t.on_end(self.stop)
        for _ in range(POSTS):
            threading.Thread(target=self._post_all, daemon=True).start()

    def _post_all(self):
        while True:
            headers, body = self.waiting.get()
            while not self._post(headers, body):
                time.sleep(AGAIN)

    def _post(self, headers, body):
        c = http.client.HTTPConnection("127.0.0.1", self.port_to, timeout=30)
        try:
            c.request("POST", "/sns/app", body, {k: v for k, v in headers.items() if k.lower().startswith(("x-amz", "content-type"))})
            return c.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            c.close()


class Sns(Broker):
    """It makes a key for each message: some ten a second."""
    name = "moto-sns"
    script = "moto.sh"
    client = MOTO
    exactly_once = True
    ordered = False
    restarts = False  # it has all in memory
    short = False
    slowly = 50
    size = 30_000  # that so few messages fill a spool

    def make(self):
        self.listen = free_port()
        self.ca, peer = front(self.t, self.port)
        self.proxy = Proxy(self.t, peer.port)
        self.repeater = Repeater(self.t, self.listen)

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "sns.py"), f"http://127.0.0.1:{self.port}", f"{self.repeater.url()}/sns/app", str(count),
                str(groups), str(rate)]

    def input(self):
        return {"sns": {"listen": f"127.0.0.1:{self.listen}", "topics": [TOPIC], "proxy": self.proxy.url()}}

    def environment(self):
        return {"SSL_CERT_FILE": self.ca, "SSL_CERT_DIR": self.t.path("nothing")}
