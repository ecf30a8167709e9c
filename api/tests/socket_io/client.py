"""Another Socket.IO client than the one of web sites, by hand of other people, walks through a web chat.

Its arguments are the server's address and a session's token. It writes a message by each transport and
expects it back, then an answer; it ends with 0 if all was as expected."""

import queue
import sys

import socketio

NAMESPACE = "/webchat"
PATIENCE = 20


def visit(url, token, transports, after, number):
    heard = queue.Queue()
    client = socketio.Client(reconnection=False)
    client.on("message", heard.put, namespace=NAMESPACE)
    client.connect(
        url, auth={"token": token, "after": after}, namespaces=[NAMESPACE], transports=transports
    )
    sent = {"text": f"Hello {number}", "client_id": f"p{number}"}
    ack = client.call("message", sent, namespace=NAMESPACE, timeout=PATIENCE)
    assert ack == {"ok": True, "client_id": sent["client_id"]}, ack
    own, answer = (heard.get(timeout=PATIENCE) for _ in range(2))
    assert (own["seq"], own["client_id"]) == (after + 1, sent["client_id"]), own
    assert (answer["seq"], answer["direction"]) == (after + 2, "outbound"), answer
    used = client.transport()
    client.disconnect()
    assert heard.empty(), heard.get()
    return used, answer["seq"]


def refused(url, token, why):
    said = []
    client = socketio.Client(reconnection=False)
    client.on("connect_error", said.append, namespace=NAMESPACE)
    try:
        client.connect(url, auth={"token": token}, namespaces=[NAMESPACE])
    except socketio.exceptions.ConnectionError:
        assert said == [{"message": why}], said
    else:
        raise AssertionError("a wrong token was let in")
    finally:
        client.disconnect()


def main(url, token):
    refused(url, "wrong", "unauthorized")
    seq = 0
    for number, (transports, expected) in enumerate(
        [(["polling"], "polling"), (["websocket"], "websocket"), (None, "websocket")]
    ):
        used, seq = visit(url, token, transports, seq, number)
        assert used == expected, used


main(*sys.argv[1:])
