"""The input kafka against librdkafka's own brokers: each message is one record, whatever is killed, away or refused; what is safe is committed
to the group, and what the spool has read is not read again."""

import shutil

import objects
from common import one_stream, to_file
from harness import free_port, wait_until
from http_peer import Handler, HttpPeer
from kafka_peer import KafkaPeer
from reloading import post, reload
from test_tls import make_certificates


def kafka(peer, topics=("orders",), **more):
    return {"kafka": {"brokers": peer.brokers, "topics": list(topics), "group": "g", "session_timeout": "6s", **more}}


def daemon(t, peer, options=None, name="sluice", folder="out", **more):
    config = one_stream("app", to_file(t, folder), inputs=[kafka(peer, **(options or {}))], **{"interval": "0s", **more})
    # The least there is for records: what is read ahead is beside it.
    return t.daemon({**config, "shutdown": {"grace": f"{round(6 * t.slow)}s"}, "limits": {"memory": "16MiB"}}, name=name)


def got(t, folder="out"):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path(folder)))]


def filled(t, partitions=3, count=200):
    peer, sent = KafkaPeer(t), []
    peer.ask("topic", "orders", partitions)
    for i in range(partitions):
        sent += peer.put("orders", i, count, f"p{i}")
    return peer, sent


def in_order(lines):
    for tag in {line.split("-")[0] for line in lines}:
        mine = [line for line in lines if line.startswith(tag + "-")]
        assert mine == sorted(mine), tag


# Numbers of Kafka's protocol.
OFFSET_COMMIT, UNKNOWN_SERVER_ERROR = 8, -1


def test_renewed_certificates_are_taken_by_a_reload(t):
    """Their names are the same, and librdkafka reads them once. Those that are of no use change nothing."""
    ca, (cert, key) = make_certificates(t)
    other = make_certificates(t, name="other-")
    tls = {"brokers": [f"127.0.0.1:{free_port()}"], "topics": ["orders"], "group": "g", "protocol": "tls",
           "tls": {"ca_file": ca, "cert_file": cert, "key_file": key}}
    d = t.daemon(one_stream("app", to_file(t), inputs=[{"kafka": tls}])).start()
    assert "1 as they were" in reload(d)
    shutil.copy(other[0], ca)
    assert "stream app: inputs begin anew (the files of tls of inputs)" in post(d, "/reload/diff")[1]
    assert "stream app: inputs begin anew (the files of tls of inputs)" in reload(d)
    assert "1 as they were" in reload(d)
    shutil.copy(other[1][0], cert)  # and not its key
    said = reload(d, status=422)
    assert "stream `app`: kafka: tls: librdkafka cannot use its files: " in said and "nothing has changed" in said, said
    shutil.copy(other[1][1], key)
    assert "inputs begin anew" in reload(d)
    d.stop()


def test_each_message_is_a_record_once(t):
    peer, sent = filled(t)
    peer.ask("null", "orders", 0)
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n"
                "  if not meta.key then return r end\n"
                "  return r .. ' ' .. meta.topic .. ' ' .. meta.partition .. ' ' .. meta.offset .. ' ' .. meta.key .. ' ' ..\n"
                "    meta['header.trace'] .. ' ' .. #meta.timestamp\nend\n")
    d = daemon(t, peer, interval="900s", transform={"lua": t.path("show.lua")}).start()
    wait_until("all to be in", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
    d.wait_logged("less is read ahead than `prefetch` says.* bytes=2097152 prefetch=8388608")
    peer.ask("down", 1)
    d.wait_logged("the connection to the source failed", 60 * t.slow)
    peer.ask("up", 1)
    d.wait_logged("the connection to the source works again", 60 * t.slow)
    # From now on the group learns nothing: the spool's positions count.
    peer.ask("fail", OFFSET_COMMIT, UNKNOWN_SERVER_ERROR, 1000)
    sent += peer.put("orders", 1, 50, "q1")
    peer.ask("text", "orders", 2, "k-1", "hello")
    wait_until("all to be in", lambda: d.books("app").incoming == len(sent) + 1, 60 * t.slow)
    d.wait_logged("messages without a value were left out", 60 * t.slow)
    d.stop()
    sent.append("hello orders 2 200 k-1 k-1 13")
    assert sorted(got(t)) == sorted(sent)
    sent += peer.put("orders", 1, 7, "r1")
    d.spawn("--once")
    assert d.wait_exit(60) == 0
    assert sorted(got(t)) == sorted(sent)
    in_order([line for line in got(t) if " " not in line])


class TokenHandler(Handler):
    def do_POST(self):
        peer = self.server.peer
        peer.asked.append((self.headers["Authorization"], self.read_body().decode()))
        status, body = peer.answers[min(len(peer.asked), len(peer.answers)) - 1]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_token_is_asked_for_and_what_is_wrong_is_said(t):
    """A real Kafka that takes the token is among tests/servers."""
    tokens = HttpPeer(TokenHandler)
    t.on_end(tokens.stop)
    tokens.asked = []
    tokens.answers = [(401, b'{"error":"invalid_client","error_description":"no such client"}'),
                      (200, b'{"access_token":"eyJ0b2tlbiI.x.y","token_type":"Bearer","expires_in":3600}')]
    nobody = f"127.0.0.1:{free_port()}"
    oauth = {"token_url": tokens.url() + "/token", "client_id": "lake", "client_secret": "verysecret", "scope": "kafka"}
    source = {"kafka": {"brokers": [nobody], "topics": ["a"], "group": "g", "sasl": {"mechanism": "oauthbearer", "oauth": oauth}}}
    d = t.daemon(one_stream("app", to_file(t), inputs=[source])).start()
    d.wait_logged("a token for the brokers could not be had.*invalid_client.*no such client.*look at sasl.oauth.client_id", 60 * t.slow)
    d.wait_logged("there is a token for the brokers again", 60 * t.slow)
    d.wait_logged("the connection to the source failed.*" + nobody, 60 * t.slow)  # only now are the brokers asked
    d.stop()
    assert tokens.asked[0] == ("Basic bGFrZTp2ZXJ5c2VjcmV0", "grant_type=client_credentials&scope=kafka")
    assert "verysecret" not in d.log_text() and "eyJ0b2tlbiI" not in d.log_text()
