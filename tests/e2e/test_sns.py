"""The input sns against a scripted sender: what is signed by SNS becomes one record and is answered when it is safe; what is not, is refused,
and nobody is asked for anything at an address that the sender chose."""

import http.client
import json
import queue
import shutil
import threading
import time

import objects
from common import stream, to_file
from harness import free_port, wait_until
from http_peer import Handler, HttpPeer
from sns_peer import HOST, TOPIC, Sns, openssl, post
from test_proxy import Proxy

SECRET = "s3cret-of-the-topic_0001"


def endpoint(d, path="/sns/app"):
    return f"http://127.0.0.1:{d.sns_port}{path}"


def daemon(t, peer, name="sluice", streams=("app",), options=None, destination=None, **more):
    port = free_port()
    given = {"listen": f"127.0.0.1:{port}", "topics": [TOPIC], "certificate_url_prefix": peer.base, **(options or {})}
    given = {k: v for k, v in given.items() if v is not None}
    d = t.daemon({"streams": {n: stream(destination or to_file(t, "out-" + n), inputs=[{"sns": given}], interval="0s", **more)
                              for n in streams}}, name=name)
    d.sns_port = port
    d.env = {"no_proxy": "*"}
    return d


def got(t, stream_name="app"):
    return sorted(line.decode() for line in objects.lines(objects.read_dir(t.path("out-" + stream_name))))


def test_messages_are_records_once(t):
    peer = Sns(t)
    d = daemon(t, peer).start()
    texts = ["plain", "two\nlines", "ümläut \U0001f600 \"quoted\" \\ / \x01", ""]
    messages = [peer.message(texts[0]), peer.message(texts[1], version="1", Subject="A subject"),
                peer.message(texts[2], Subject=""), peer.message(texts[3])]
    for m in messages:
        assert post(endpoint(d), m)[:2] == (200, "it is stored\n")
    d.kill9()
    d.start()
    for m in messages:  # SNS did not hear the answer, or somebody sends them again
        assert post(endpoint(d), m)[:2] == (200, "it is known already\n")
    d.wait_delivered("app", 4)
    assert d.metrics().get("sluice_input_duplicates_total", stream="app", input="sns") == 4
    d.stop()
    assert sorted("\n".join(got(t)).split("\n")) == sorted("\n".join(texts).split("\n"))
    assert peer.asked.count("/SimpleNotificationService-0001.pem") == 2  # once in each life


def test_what_is_not_from_sns_is_refused(t):
    peer = Sns(t)
    d = daemon(t, peer, options={"signature": "v2"}).start()
    good = peer.message("good")

    def refused(m, status, why, **kw):
        got_status, text, _ = post(endpoint(d), m, **kw)
        assert got_status == status and why in text, (got_status, text)

    refused({**good, "Message": "bad"}, 403, "the signature is wrong")
    refused({**good, "Subject": "new"}, 403, "the signature is wrong")
    refused({**good, "Signature": "****"}, 403, "the signature is wrong")
    refused(peer.message(version="1"), 403, "signed with SHA-1")
    refused(peer.message(version="3"), 403, "SignatureVersion")
    refused(peer.message(age=7200), 403, "s old, and max_age is 3600 s")  # signing it has taken a while
    refused(peer.message(age=-7200), 503, "from now")
    refused(peer.message(TopicArn=TOPIC + "2"), 403, "the topic is not one")
    refused(peer.message(SigningCertURL=f"http://127.0.0.1:{peer.port}@evil/x.pem"), 403, "SigningCertURL")
    refused(peer.message(SigningCertURL="https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"), 403,
            "SigningCertURL")  # another server's was configured
    refused(b"not json", 400, "no JSON")
    refused({k: v for k, v in good.items() if k != "MessageId"}, 400, "MessageId")
    refused(json.dumps(good).replace('"Message":', '"Message":"x","Message":').encode(), 400, "there twice")
    refused(good, 403, "raw messages", raw=b"x")
    refused(good, 400, "another type", headers={"x-amz-sns-message-type": "SubscriptionConfirmation"})
    refused(peer.message(kind="SubscriptionConfirmation", SubscribeURL="http://127.0.0.1:1/x"), 403, "SubscribeURL")
    assert post(endpoint(d, "/sns/other"), good)[0] == 404
    assert d.wait_logged("a request was refused.*topic is not one.*" + TOPIC + "2") and peer.confirmations() == []
    assert post(endpoint(d), good)[0] == 200
    assert post(endpoint(d), peer.message("late", age=3700))[0] == 200  # an hour after it was published SNS tries for the last time
    d.wait_delivered("app", 2)
    d.stop()
    assert got(t) == ["good", "late"]


def test_subscriptions_are_confirmed_when_sns_can_be_asked(t):
    peer = Sns(t)
    d = daemon(t, peer).start()
    m = peer.message("you are asked", kind="SubscriptionConfirmation")
    path = m["SubscribeURL"][len(peer.base) - 1:]
    peer.statuses[path] = 302  # is not followed
    assert post(endpoint(d), m)[0] == 503
    del peer.statuses[path]
    assert post(endpoint(d), m)[0] == 200
    assert peer.confirmations() == [path, path] and "/other.pem" not in peer.asked
    assert post(endpoint(d), peer.message("gone", kind="UnsubscribeConfirmation"))[0] == 200
    assert len(peer.confirmations()) == 2 and d.wait_logged("a subscription was taken away")
    other = daemon(t, peer, name="careful", options={"confirm": "no"}).start()
    assert post(endpoint(other), m)[0] == 200
    assert len(peer.confirmations()) == 2 and path in other.wait_logged("it is not confirmed")[0]
    d.stop()
    other.stop()
    assert m["Token"] not in d.log_text()


def test_a_certificate_that_cannot_be_had_is_503(t):
    peer = Sns(t)
    d = daemon(t, peer).start()
    path = "/SimpleNotificationService-0001.pem"
    peer.statuses[path] = 500
    m = peer.message("later")
    status, text, headers = post(endpoint(d), m)
    assert (status, headers["Retry-After"]) == (503, "5") and "status 500" in text
    peer.statuses[path] = 302
    m = peer.message("later", SigningCertURL=peer.base + "SimpleNotificationService-0002.pem")
    assert post(endpoint(d), m)[0] == 200  # another one serves
    assert d.wait_logged("messages cannot be checked") and "/other.pem" not in peer.asked
    d.wait_delivered("app", 1)
    d.stop()


def test_strangers_do_not_push_out_a_good_certificate(t):
    peer = Sns(t)
    d = daemon(t, peer).start()
    assert post(endpoint(d), peer.message("first"))[0] == 200
    again = peer.message("again")
    for i in range(40):  # more than are remembered
        path = f"/SimpleNotificationService-{i}.pem"
        peer.statuses[path] = 404
        assert post(endpoint(d), {**again, "SigningCertURL": peer.base + path[1:]})[0] == 503
    assert post(endpoint(d), again)[0] == 200
    assert peer.asked.count("/SimpleNotificationService-0001.pem") == 1
    d.wait_delivered("app", 2)
    d.stop()


def sns_by_its_name(t):
    """A server that goes by SNS's own name, for who asks through the proxy and trusts the authority."""
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca, key, cert, request, names = (t.path(n) for n in ("ca.pem", "ca.key", "host.pem", "host.csr", "host.ext"))
    with open(names, "w", encoding="ascii") as f:
        f.write(f"subjectAltName=DNS:{HOST}\n")
    openssl("req", "-x509", *ec, "-keyout", key, "-out", ca, "-days", "30", "-subj", "/CN=test authority")
    openssl("req", *ec, "-keyout", t.path("host.key"), "-out", request, "-subj", "/CN=host")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", key, "-CAcreateserial", "-out", cert, "-days", "30",
            "-extfile", names)
    return ca, Sns(t, tls=(cert, t.path("host.key")), authority=(ca, key))


def test_sns_itself_is_asked_by_its_own_name(t):
    if not shutil.which("openssl"):
        t.skip("the openssl tool is not installed")
    ca, peer = sns_by_its_name(t)
    proxy = Proxy(t, peer.port)
    d = daemon(t, peer, options={"certificate_url_prefix": None, "proxy": proxy.url()})
    d.env = {"SSL_CERT_FILE": ca, "SSL_CERT_DIR": t.path("nothing")}
    d.start()
    assert post(endpoint(d), peer.message("asked", kind="SubscriptionConfirmation"))[0] == 200
    assert post(endpoint(d), peer.message("believed"))[0] == 200
    peer.certificates["/SimpleNotificationService-0002.pem"] = peer.self_signed
    status, text, _ = post(endpoint(d), peer.message("no", SigningCertURL=peer.base + "SimpleNotificationService-0002.pem"))
    assert status == 503 and "no authority" in text, (status, text)
    for url in ("SimpleNotificationService-0001.pem?x", "other.pem", "?Action=x&y=SimpleNotificationService-0001.pem"):
        assert post(endpoint(d), peer.message("no", SigningCertURL=peer.base + url))[0] == 403
    assert post(endpoint(d), peer.message("no", SigningCertURL=f"https://{HOST}:{peer.port}/SimpleNotificationService-1.pem"))[0] == 403
    assert {head.split()[1] for head in proxy.heads} == {f"{HOST}:443".encode()}
    assert len(peer.asked) == 3 and len(peer.confirmations()) == 1
    d.wait_delivered("app", 1)
    d.stop()
    assert got(t) == ["believed"]


def test_raw_messages_need_the_secret(t):
    peer = Sns(t)
    d = daemon(t, peer, options={"raw_delivery": True, "secret": SECRET, "users": ["ann:a-password"]}).start()
    m = peer.message("signed")
    raw = b"raw \0\xff\xfe"
    status, _, headers = post(endpoint(d), m, raw=raw)
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic")
    assert d.wait_logged("a request was refused.*is wanted here")  # nobody has shown it yet: perhaps the subscription has none
    assert post(endpoint(d), m)[0] == 401
    assert post(endpoint(d, "/sns/app/" + SECRET[:-1]), m, raw=raw)[0] == 401
    assert post(endpoint(d, "/sns/app/"), m, raw=raw)[0] == 401
    with_password = f"http://any:%s@127.0.0.1:{d.sns_port}/sns/app"
    assert post(with_password % "wrong", m, raw=raw)[0] == 401
    assert post(with_password % SECRET, m, raw=raw)[0] == 200
    for user, code in (("ann:a-password", 200), ("bob:a-password", 401), ("ann:a-passwore", 401)):
        assert post(f"http://{user}@127.0.0.1:{d.sns_port}/sns/app", m, raw=raw)[0] == code
    assert post(endpoint(d, "/sns/app/" + SECRET), m, raw=raw)[:2] == (200, "it is known already\n")
    assert post(endpoint(d, "/sns/app/" + SECRET), peer.message("signed"))[0] == 200
    assert post(endpoint(d, "/sns/app/" + SECRET), {**m, "TopicArn": "arn:other"}, raw=raw)[0] == 403
    d.wait_delivered("app", 2)
    d.stop()
    lines = [line for line in objects.lines(objects.read_dir(t.path("out-app")))]
    assert sorted(lines) == sorted([raw, b"signed"])
    assert SECRET not in d.log_text()


def test_filters_and_facts(t):
    peer = Sns(t)
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n"
                "  r.topic, r.subject, r.store, r.id = meta.topic, meta.subject, meta['attribute.store'], #meta.message_id\n"
                "  r.timestamp, r.subscription = meta.timestamp, meta.subscription\n"
                "  return r\nend\n")
    d = daemon(t, peer, options={"filter_policy": {"store": ["books", {"prefix": "mus"}]}},
               transform={"lua": t.path("show.lua")}).start()

    def with_store(value):
        return peer.message("{}", Subject="s", MessageAttributes={"store": {"Type": "String", "Value": value}})

    taken = with_store("music")
    assert post(endpoint(d), taken)[0] == 200
    assert post(endpoint(d), with_store("tools"))[:2] == (200, "it does not match the filter policy\n")
    assert post(endpoint(d), peer.message("{}"))[0] == 200
    d.wait_delivered("app", 1)
    assert d.metrics().get("sluice_input_filtered_total", stream="app", input="sns") == 2
    d.stop()
    assert json.loads(got(t)[0]) == {"topic": TOPIC, "subject": "s", "store": "music", "id": 36,
                                     "timestamp": taken["Timestamp"], "subscription": TOPIC + ":1"}


def test_one_topic_feeds_several_streams_at_one_address(t):
    peer = Sns(t)
    d = daemon(t, peer, streams=("app", "copy"), options={"record": "envelope"}).start()
    m = peer.message("for both")
    for path in ("/sns/app", "/sns/copy"):
        assert post(endpoint(d, path), m)[:2] == (200, "it is stored\n")
    d.wait_delivered("app", 1)
    d.wait_delivered("copy", 1)
    d.stop()
    assert [json.loads(line) for line in got(t) + got(t, "copy")] == [m, m]
    twice = daemon(t, peer, streams=("app", "copy"), options={"path": "/same"}, name="twice")
    twice.expect_exit = 2
    twice.spawn()
    twice.wait_exit()
    assert "/same already: give one of them another path" in twice.log_text()


class Closed(Handler):
    """Takes nothing until its peer `takes`."""

    def do_POST(self):
        body, takes = self.read_body(), self.server.peer.takes  # it may change meanwhile
        if body is None:
            return
        if takes:
            self.server.peer.bodies.append(body)
        self.send_response(200 if takes else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_full_stream_answers_503_and_nothing_is_doubled(t):
    peer = Sns(t)
    sink = HttpPeer(Closed)
    sink.takes, sink.bodies = False, []
    t.on_end(sink.stop)
    d = daemon(t, peer, destination={"http": {"url": f"http://127.0.0.1:{sink.port}/", "format": "lines"}},
               spool={"limit": "4MiB"}).start()
    messages = [peer.message(f"{i}" + "x" * 800000) for i in range(8)]
    statuses = [post(endpoint(d), m)[0] for m in messages]
    assert set(statuses) == {200, 503}, statuses
    assert d.http("/readyz")[0] == 503 or d.logged("pushed back")
    sink.takes = True
    for m in messages:  # as SNS does with those that were not taken
        wait_until("the message to be taken", lambda: post(endpoint(d), m)[0] == 200, 60 * t.slow)
    d.wait_delivered("app", len(messages))
    d.stop()
    lines = sorted(line[:1] for body in sink.bodies for line in body.splitlines())
    assert lines == sorted(b"01234567"[i:i + 1] for i in range(8))


def test_kills_lose_and_double_nothing(t):
    peer = Sns(t)
    d = daemon(t, peer, options={"raw_delivery": True, "secret": SECRET}).start()
    count = 200
    todo = queue.Queue()
    for i in range(count):
        todo.put(i)
        todo.put(i)  # and SNS may send one twice, also at the same time
    answered = []

    def send():
        while True:
            try:
                i = todo.get_nowait()
            except queue.Empty:
                return
            m = {"Type": "Notification", "MessageId": f"id-{i}", "TopicArn": TOPIC}
            while True:
                try:
                    if post(endpoint(d, "/sns/app/" + SECRET), m, raw=b"message %d" % i)[0] == 200:
                        break
                except (OSError, http.client.HTTPException):
                    pass
                time.sleep(0.02)
            answered.append(i)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for part in (1, 2):
        wait_until("some more to be answered", lambda p=part: len(answered) > p * count // 2, 60 * t.slow)
        d.kill9()
        d.start()
    for sender in senders:
        sender.join()
    d.wait_delivered("app", count)
    d.stop()
    assert got(t) == sorted(f"message {i}" for i in range(count))
