"""Splunk's HTTP Event Collector with indexer acknowledgement, as scripted here: what was taken is not yet safe."""

import json
import re
import threading

import backups
import objects
from common import numbered_lines, one_stream
from firehose import Firehose
from harness import wait_until
from http_peer import Handler, HttpPeer

TOKEN = "1a2b3c4d-0000-4000-8000-abcdefabcdef"


class _Handler(Handler):
    def say(self, status, reply):
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        peer, body = self.server.peer, self.read_body()
        if body is None:
            return
        if self.headers.get("Authorization") != "Splunk " + TOKEN:
            self.say(403, {"text": "Invalid token", "code": 4})
            return
        channel = self.headers.get("X-Splunk-Request-Channel") or self._channel_of_query()
        if not channel:
            self.say(400, {"text": "Data channel is missing", "code": 10})
        elif self.path.startswith("/services/collector/ack"):
            asked = json.loads(body)["acks"]
            self.say(200, {"acks": {str(i): peer.is_indexed(channel, i) for i in asked}})
        else:
            self.say(*peer.take(channel, body.decode()))

    def _channel_of_query(self):
        found = re.search(r"[?&]channel=([^&]+)", self.path)
        return found.group(1) if found else None


class Hec(HttpPeer):
    """Events are in `indexed` once their request was asked for `questions` times and more."""

    def __init__(self, questions=2, raw=False):
        self.questions, self.raw, self.lock = questions, raw, threading.Lock()
        self.indexed, self.requests, self.channels = [], 0, set()
        self._waiting = {}
        super().__init__(_Handler)

    def take(self, channel, text):
        events, refused = self._events(text)
        with self.lock:
            self.requests += 1
            self.channels.add(channel)
            if refused is not None:
                return 400, {"text": "Invalid data format", "code": 6, "invalid-event-number": refused}
            self._waiting[channel, self.requests] = [0, events]
            return 200, {"text": "Success", "code": 0, "ackId": self.requests}

    def _events(self, text):
        """What it holds, and the number of the first event that Splunk does not take."""
        if self.raw:
            return text.splitlines(), None
        decoder, events = json.JSONDecoder(), []
        while text:
            event, end = decoder.raw_decode(text)
            if event["event"] == "bad":
                return [], len(events)
            events.append(event["event"])
            text = text[end:].lstrip()
        return events, None

    def is_indexed(self, channel, ack):
        with self.lock:
            waiting = self._waiting.get((channel, ack))
            if waiting is None:
                return False  # of another life, or never taken
            waiting[0] += 1
            if waiting[0] < self.questions:
                return False
            self.indexed += self._waiting.pop((channel, ack))[1]
            return True

    def forget(self):
        """As a forwarder that is restarted: what was not yet indexed is gone."""
        with self.lock:
            self._waiting.clear()

    def destination(self, **more):
        return {"http": {"url": self.url(), "preset": "splunk_raw" if self.raw else "splunk_event", "access_key": TOKEN,
                         **more}}


def hec(t, **how):
    peer = Hec(**how)
    t.on_end(peer.stop)
    return peer


def text_of(records):
    return [r.decode() for r in records]


def test_events_are_delivered_when_the_indexers_have_them(t):
    for raw in (False, True):
        peer = hec(t, raw=raw)
        d = t.daemon(one_stream("app", peer.destination(), interval="0s"), f"raw-{raw}").start()
        records = numbered_lines(t.random, 500)
        Firehose(d.api_port).put_all("app", records)
        wait_until("it is taken", lambda peer=peer: peer.requests, 10 * t.slow)
        assert d.books("app").delivered == 0 or peer.indexed, "a metric that moves before the acknowledgement"
        d.wait_delivered("app", len(records))
        d.stop()
        objects.assert_exactly_once(peer.indexed, text_of(records))
        assert len(peer.channels) == 1, "one channel for the stream"


def test_what_the_indexers_lost_is_sent_again(t):
    """The acknowledgement never comes; after ack_timeout the events go again."""
    peer = hec(t, questions=1000)
    d = t.daemon(one_stream("app", peer.destination(ack_timeout="2s"), interval="0s")).start()
    records = numbered_lines(t.random, 50)
    Firehose(d.api_port).put_all("app", records)
    line = d.wait_logged("delivery failed.*AckTimeout", timeout=30)[0]
    assert "did not acknowledge" in line and "sticky" in line, line
    assert d.books("app").delivered == 0
    peer.forget()
    peer.questions = 1
    d.wait_delivered("app", len(records))
    d.stop()
    objects.assert_exactly_once(peer.indexed, text_of(records))


def test_a_kill_before_the_acknowledgement_loses_nothing(t):
    peer = hec(t, questions=1000)
    d = t.daemon(one_stream("app", peer.destination(), interval="0s")).start()
    records = numbered_lines(t.random, 200)
    Firehose(d.api_port).put_all("app", records)
    wait_until("it is taken", lambda: peer.requests, 10 * t.slow)
    d.kill9()
    peer.forget()
    peer.questions = 2
    d.start()
    d.wait_delivered("app", len(records))
    d.stop()
    objects.assert_exactly_once(peer.indexed, text_of(records))
    assert len(peer.channels) == 1, "the same channel after a restart"


def test_events_that_splunk_refuses_go_to_the_backup_and_the_rest_at_once(t):
    peer = hec(t)
    d = t.daemon(one_stream("app", peer.destination(), interval="0s",
                            backup={"file": {"path": t.path("backup")}})).start()
    good, bad = numbered_lines(t.random, 60), [b"bad"] * 12
    Firehose(d.api_port).put_all("app", [r for pair in zip(good, bad * 5) for r in pair][:24] + good[12:])
    books = d.wait_delivered("app", len(good), timeout=40)
    assert books.backed_up == len(bad), books
    d.stop()
    objects.assert_exactly_once(peer.indexed, text_of(good))
    lines = backups.read(t.path("backup"), "splunk-failed")
    assert [line["data"] for line in lines] == bad
    assert {line["errorCode"] for line in lines} == {"Splunk.InvalidDataFormat"}
    assert len({line["EventId"] for line in lines}) == len(bad)


def test_a_wrong_token_is_named(t):
    peer = hec(t)
    d = t.daemon({"shutdown": {"grace": "1s"}, **one_stream("app", peer.destination(access_key="wrong"), interval="0s")})
    d.start()
    Firehose(d.api_port).put("app", b"waits")
    line = d.wait_logged("delivery failed")[0]
    assert "Splunk.4" in line and "does not know this token" in line and "level=error" in line, line
    d.expect_exit = 1
    d.stop()
    assert peer.indexed == []
