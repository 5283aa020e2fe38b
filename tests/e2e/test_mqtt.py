"""The input mqtt against a scripted server: a message is acknowledged when it is safe, and of QoS 2 each is one record, whatever breaks, is
killed, or comes twice."""

import json
import subprocess

import objects
from common import one_stream, stream, to_file
from harness import wait_until
from mqtt_peer import Close, MqttPeer, packet, text, user_property
from test_tls import make_certificates


def server(t, **kw):
    m = MqttPeer(**kw)
    t.on_end(m.stop)
    return m


def mqtt(m, **more):
    return {"mqtt": {"url": m.url(), "client_id": "sluice-1", "topics": ["t/#"], "qos": 2, **more}}


def daemon(t, m, destination=None, options=None, **more):
    config = one_stream("app", destination or to_file(t), inputs=[mqtt(m, **(options or {}))], **{"interval": "0s", **more})
    return t.daemon({**config, "shutdown": {"grace": f"{round(2 * t.slow)}s"}})


def subscribed(t, m):
    wait_until("the subscription", m.has_subscription, 60 * t.slow)


def goodbye(t, m):
    """Behind it the server has taken what was said before, too."""
    wait_until("the goodbye", lambda: m.disconnects, 60 * t.slow)


def payloads(count, tag="m"):
    return [b"%s-%05d" % (tag.encode(), i) for i in range(count)]


def got(t):
    return objects.lines(objects.read_dir(t.path("out")))


def check(t, d, m, sent, stop=True):
    d.wait_delivered("app", len(sent))
    wait_until("the server to have nothing left", lambda: m.left() == 0, 60 * t.slow)
    if stop:
        d.stop()
    assert sorted(got(t)) == sorted(sent)
    assert not m.refused, m.refused


def test_each_message_is_a_record_of_each_qos_and_version(t):
    kinds = [(version, qos) for version in ("5", "3.1.1") for qos in (0, 1, 2)]
    servers = {kind: server(t) for kind in kinds}
    login = {"username": "me", "password": "secret"}
    d = t.daemon({"streams": {f"s{i}": stream(to_file(t, f"s{i}"), interval="0s",
                                              inputs=[mqtt(servers[version, qos], version=version, qos=qos, **login)])
                              for i, (version, qos) in enumerate(kinds)}}).start()
    sent = payloads(50)
    for i, kind in enumerate(kinds):
        m = servers[kind]
        subscribed(t, m)
        for p in sent:
            m.publish("t/a", p, qos=2)
        d.wait_delivered(f"s{i}", len(sent))
        wait_until("the server to have nothing left", lambda m=m: m.left() == 0, 60 * t.slow)
    d.stop()
    for i, kind in enumerate(kinds):
        m = servers[kind]
        goodbye(t, m)
        assert sorted(objects.lines(objects.read_dir(t.path(f"s{i}")))) == sent and not m.refused, m.refused
        assert m.acked == (sent if kind[1] else [])
        assert m.connects[0]["username"] == b"me" and m.connects[0]["password"] == b"secret" and not m.connects[0]["clean"]
        assert m.disconnects == [0] and len(m.connects) == 1
        if kind[0] == "5":  # the receive maximum: Mosquitto knows no more messages of QoS 2 again
            assert (b"\x21\x00\x14" if kind[1] == 2 else b"\x21\x03\xe8") in m.connects[0]["properties"]


def test_what_is_known_of_a_message_is_meta(t):
    m = server(t)
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n"
                "  return {topic = meta.topic, qos = meta.qos, retained = meta.retained, kind = meta.content_type,\n"
                "          user = meta['property.trace']}\nend\n")
    d = daemon(t, m, transform={"lua": t.path("show.lua")}).start()
    subscribed(t, m)
    m.publish("t/x/y", b"{}", qos=1, retain=True, properties=b"\x03" + text("text/plain") + user_property("trace", "7"))
    d.wait_delivered("app", 1)
    d.stop()
    assert json.loads(got(t)[0]) == {"topic": "t/x/y", "qos": "1", "retained": "1", "kind": "text/plain", "user": "7"}


def test_kills_and_broken_connections_lose_and_double_nothing(t):
    m, sent = server(t, ids=30), payloads(600)  # few identifiers: they are used again and again
    d = daemon(t, m, options={"receive_maximum": 15}).start()
    subscribed(t, m)
    for p in sent:
        m.publish("t/a", p, qos=2)
    for i in range(1, 4):
        wait_until("some progress", lambda i=i: len(m.acked) >= 100 * i, 60 * t.slow)
        if i % 2:
            d.kill9()
            d.start()
        else:
            m.break_off()
    check(t, d, m, sent)


def test_a_server_that_numbers_anew_while_sluice_is_killed_loses_nothing(t):
    m, first, second = server(t), payloads(5, "first"), payloads(5, "second")
    d = daemon(t, m).start()
    subscribed(t, m)
    m.mute = True  # the first ones are safe, and the server does not hear of it
    for p in first:
        m.publish("t/a", p, qos=2)
    wait_until("records", lambda: d.books("app").incoming == len(first), 60 * t.slow)
    d.kill9()
    m.number_anew()
    m.mute = False
    for p in second:
        m.publish("t/a", p, qos=2)
    d.start()
    # The third one has its number again, and is known. The others are other messages, for all that can be seen.
    check(t, d, m, first + first[:2] + first[3:] + second)


def test_a_lost_session_begins_anew(t):
    m, first, second = server(t, ids=5), payloads(10, "first"), payloads(10, "second")
    d = daemon(t, m).start()
    subscribed(t, m)
    m.mute = True  # the first ones are safe, and the server does not hear of it
    for p in first:
        m.publish("t/a", p, qos=2)
    wait_until("records", lambda: d.books("app").incoming == len(first), 60 * t.slow)
    m.mute = False
    m.lose_sessions()
    subscribed(t, m)
    for p in second:  # with the same identifiers
        m.publish("t/a", p, qos=2)
    check(t, d, m, first + second)


def test_a_lost_session_that_nobody_has_subscribed_in_is_subscribed_in(t):
    m = server(t)
    d = daemon(t, m).start()
    subscribed(t, m)
    m.publish("t/a", b"one", qos=2)
    d.wait_delivered("app", 1)
    d.stop()
    m.lose_sessions()
    m.deaf = True
    d.start()
    wait_until("the question", lambda: len(m.subscribed) == 2, 60 * t.slow)
    d.stop()  # before the answer
    m.deaf = False
    d.start()
    subscribed(t, m)
    m.publish("t/a", b"two", qos=2)
    check(t, d, m, [b"one", b"two"])


def test_subscriptions_are_made_once_and_follow_the_configuration(t):
    m = server(t)
    d = daemon(t, m, options={"topics": ["t/#", "u/#"]}).start()
    wait_until("both", lambda: len(m.subscribed) == 2, 60 * t.slow)
    m.send_raw(b"\x30\x03\x00\x09x")  # a packet that makes no sense ends the connection, and no more
    d.wait_logged("PUBLISH is shorter than")
    m.publish("t/a", b"one", qos=2)
    d.wait_delivered("app", 1)
    d.stop()
    assert m.disconnects[0] == 0x81 and len(m.connects) == 2
    assert m.subscribed == ["t/#", "u/#"]
    d = daemon(t, m, options={"topics": ["t/#", "$share/g/v/#"]}).start()
    wait_until("the other", lambda: len(m.subscribed) == 3 and m.unsubscribed, 60 * t.slow)
    m.publish("v/a", b"two", qos=2)
    m.publish("u/a", b"not", qos=2)
    check(t, d, m, [b"one", b"two"])
    assert m.subscribed[2:] == ["$share/g/v/#"] and m.unsubscribed == ["u/#"]


def test_an_older_server_is_spoken_to_in_3_1_1(t):
    m = server(t, versions=(4,))
    d = daemon(t, m).start()
    subscribed(t, m)
    m.publish("t/a", b"x", qos=2)
    check(t, d, m, [b"x"])
    assert [c["version"] for c in m.connects] == [5, 4]


def test_what_goes_wrong_is_said_and_tried_again(t):
    wrong = [
        (packet(2, b"\0\x87\0"), "not allow it .not authorized.*access rules"),
        (packet(2, b"\0\x88\x08\x1f" + text("soon!")), "not available.*soon!"),
        (packet(2, b"\0\1"), "MQTT 3.1.1 is tried"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "PUBACK is not what a server sends"),
        (packet(2, b"\0\0\0") + packet(14, b"\x8e\0"), "taken over by another client.*client_id used by another"),
        (packet(3, b"\0\1x\0payload"), "before CONNACK"),
    ]
    servers = [server(t) for _ in wrong]
    for m, (answer, _) in zip(servers, wrong):
        m.plan(answer)
    versions = ["auto" if words.startswith("MQTT") else "5" for _, words in wrong]
    d = t.daemon(one_stream("app", to_file(t), interval="0s", inputs=[mqtt(m, version=v) for m, v in zip(servers, versions)])).start()
    for m, (_, words) in zip(servers, wrong):
        d.wait_logged(words)
        subscribed(t, m)
        m.publish("t/a", b"x", qos=2)
    d.wait_delivered("app", len(wrong))
    d.stop()
    wait_until("as many lines", lambda: len(d.logged("the connection to the source works again")) == len(wrong) - 1, 20 * t.slow)
    assert got(t) == [b"x"] * len(wrong) and not any(m.refused for m in servers)


def test_a_refused_subscription_is_said(t):
    m = server(t)
    m.grant = lambda filter_, qos: 0x87 if filter_ == "secret/#" else 1
    d = daemon(t, m, options={"topics": ["t/#", "secret/#"]}).start()
    assert "secret/#" in str(d.wait_logged("refuses a subscription.*not authorized"))
    assert d.wait_logged("grants a lower QoS.*topic=t/#.*qos=1")
    m.publish("t/a", b"x", qos=2)
    check(t, d, m, [b"x"])


def test_a_full_stream_takes_no_more_and_nothing_is_lost(t):
    m, sent = server(t), [p + b"x" * 20000 for p in payloads(400)]
    d = daemon(t, m, options={"version": "3.1.1"}, spool={"limit": "4MiB"}, retry={"duration": "24h"},
               destination={"http": {"url": "http://127.0.0.1:9/", "format": "lines"}})
    d.expect_exit = 1  # the spool keeps what is in it
    d.start()
    subscribed(t, m)
    for p in sent:
        m.publish("t/a", p, qos=1)
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    d.stop()
    goodbye(t, m)
    assert 0 < len(m.acked) < len(sent) and len(m.acked) + m.left() == len(sent) and not m.refused
    assert len(m.connects) == 1 and m.disconnects == [0]


def test_mqtts_verifies_the_server(t):
    ca, certificate = make_certificates(t)
    m = server(t, tls=certificate)
    d = t.daemon(one_stream("app", to_file(t), interval="0s", inputs=[mqtt(m, tls={"ca_file": ca}), mqtt(m, client_id="other")])).start()
    d.wait_logged("certificate of the far end is not trusted")
    subscribed(t, m)
    m.publish("t/a", b"x", qos=2)
    check(t, d, m, [b"x"])


def test_validate_asks_whether_it_would_be_let_in(t):
    m = server(t)
    d = daemon(t, m, options={"version": "5"})
    m.plan(packet(2, b"\0\x86\0"), Close())
    for words in ("user name or password are wrong", "the far end closed the connection", ""):
        done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True, check=False, timeout=60 * t.slow)
        assert done.returncode == 0 and words in done.stderr, done
    assert all(c["clean"] and c["client_id"] == b"sluice-1-validate" for c in m.connects)
