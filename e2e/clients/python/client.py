"""The scenarios of the client matrix, spoken by python-socketio's client, see ../README.md:

    python client.py sync|asyncio URL TRANSPORT FRAMES [SCENARIO...]

Both kinds of client have the same methods; those of the asyncio one are awaited. So the scenarios are written for asyncio, and
the other kind is driven from threads.
"""
import asyncio
import json
import os
import random
import sys
import time
import traceback

import socketio

KIND, URL, TRANSPORT, FRAMES, *ASKED = sys.argv[1:]
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}[TRANSPORT]
SERIALIZER = "msgpack" if os.environ.get("NONSTICK_PARSER") == "msgpack" else "default"
PATIENCE = 10

SCENARIOS = []


def scenario(run):
    SCENARIOS.append(run)
    return run


def report(line):
    print(json.dumps(line), flush=True)


async def call(method, *args, **kwargs):
    """Calls a method of a client of either kind."""
    if KIND == "asyncio":
        return await method(*args, **kwargs)
    return await asyncio.to_thread(method, *args, **kwargs)


class Client:
    """A client of either kind, whose events are kept until they are asked for."""

    open = []

    def __init__(self, **options):
        make = socketio.AsyncClient if KIND == "asyncio" else socketio.Client
        self.loop = asyncio.get_running_loop()
        self.io = make(reconnection_delay=0.05, reconnection_delay_max=0.2, serializer=SERIALIZER, **options)
        self.events = {}
        Client.open.append(self)

    def queue(self, event, namespace):
        return self.events.setdefault((event, namespace), asyncio.Queue())

    def on(self, event, namespace="/", answer=None):
        """Keeps the events of that name; answer makes the acknowledgement."""
        queue = self.queue(event, namespace)

        def handle(*args):
            self.loop.call_soon_threadsafe(queue.put_nowait, args)
            return answer(*args) if answer else None

        self.io.on(event, handle, namespace=namespace)

    async def next(self, event, namespace="/"):
        try:
            return await asyncio.wait_for(self.queue(event, namespace).get(), PATIENCE)
        except TimeoutError:
            raise AssertionError(f'no "{event}" in {PATIENCE} s') from None

    async def heard(self, event, namespace="/"):
        """An event of the application without the offset that a server with recovery puts behind its arguments."""
        args = await self.next(event, namespace)
        if os.environ.get("NONSTICK_RECOVERY") != "on":
            return args
        assert isinstance(args[-1], str), f"no offset is the last of {args!r}"
        return args[:-1]

    async def connect(self, auth=None, namespaces=None):
        await call(self.io.connect, URL, auth=auth or {}, transports=TRANSPORTS, namespaces=namespaces or ["/"],
                   wait_timeout=PATIENCE)
        return self

    async def emit(self, event, *args, namespace="/"):
        await call(self.io.emit, event, args, namespace=namespace)

    async def ask(self, event, *args, namespace="/"):
        return await call(self.io.call, event, args, namespace=namespace, timeout=PATIENCE)

    def sid(self, namespace="/"):
        return self.io.get_sid(namespace)


def same(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


@scenario
async def connect():
    client = Client()
    client.on("hello")
    auth = {"hello": True, "text": "ü😀"}
    await client.connect(auth)
    same(await client.heard("hello"), ({"nsp": "/"},))
    same(await client.ask("auth"), auth)


@scenario
async def refused():
    client = Client(reconnection=False)
    client.on("connect_error")
    try:
        await client.connect({"deny": True})
    except socketio.exceptions.ConnectionError:
        pass
    else:
        raise AssertionError("the client was not refused")
    same(await client.next("connect_error"), ({"message": "denied", "data": {"code": 7, "text": "ü😀"}},))


@scenario
async def acknowledged():
    client = await Client().connect()
    args = (1, "ü😀", None, {"a": [True, 0.5]})
    same(tuple(await client.ask("echo", *args)), args)
    same(await client.ask("refuse"), {"message": "no"})


@scenario
async def asked():
    client = Client()
    client.on("question", answer=lambda text: (text + "!", 2))
    client.on("answered")
    await client.connect()
    await client.emit("ask", "why")
    same(await client.heard("answered"), ("why!", 2))


@scenario
async def waited():
    asking, other = Client(), Client()
    other.on("q", answer=lambda text: "pong " + text)
    await asyncio.gather(asking.connect(), other.connect())
    same(await asking.ask("askother", other.sid()), "pong hi")


@scenario
async def binary():
    client = Client()
    client.on("back")
    await client.connect()
    data = bytes(range(256))
    same(await client.ask("bin", data), data)
    await client.emit("back", {"list": [data, b"x"]}, "text")
    same(await client.heard("back"), ({"list": [data, b"x"]}, "text"))


@scenario
async def rooms():
    room = f"room {random.random()}"
    a, b = Client(), Client()
    a.on("said")
    b.on("said")
    await asyncio.gather(a.connect({"room": room}), b.connect())
    same(await b.ask("join", room), "ok")
    same(await a.ask("say", room, {"n": 1}), True)
    same([await a.heard("said"), await b.heard("said")], [({"n": 1},)] * 2)
    same(await a.ask("leave", room), "ok")
    await a.ask("say", room, 2)
    same(await b.heard("said"), (2,))
    assert a.queue("said", "/").empty(), "a socket that has left the room was reached"


@scenario
async def namespaces():
    client = Client()
    client.on("hello", "/custom")
    await client.connect({"hello": True}, ["/", "/custom"])
    same(await client.heard("hello", "/custom"), ({"nsp": "/custom"},))
    same(await client.ask("echo", 1), 1)
    same(await client.ask("echo", 2, namespace="/custom"), 2)
    await call(client.io.emit, "bye", namespace="/custom")
    same(await client.ask("echo", 3), 3)


@scenario
async def ended():
    client = Client(reconnection=False)
    client.on("last")
    client.on("disconnect")
    await client.connect()
    await client.emit("bye")
    same(await client.heard("last"), (1,))
    same(await client.next("disconnect"), (client.io.reason.SERVER_DISCONNECT,))


@scenario
async def reconnected():
    client = Client()
    client.on("disconnect")
    client.on("connect")
    await client.connect()
    await client.next("connect")
    before = client.sid()
    report({"cut": True})
    await client.next("disconnect")
    await client.next("connect")
    assert client.sid() != before, "the socket has its old id"
    same(await client.ask("echo", "again"), "again")


async def main():
    for run in SCENARIOS:
        if ASKED and run.__name__ not in ASKED:
            continue
        began = time.monotonic()
        error = ""
        try:
            await run()
        except Exception as e:  # whatever goes wrong is that scenario's result
            error = f"{type(e).__name__}: {e}"
            traceback.print_exc()
        report({"name": run.__name__, "status": "fail" if error else "pass",
                "ms": round((time.monotonic() - began) * 1000), "error": error})
        for client in Client.open:
            try:
                await asyncio.wait_for(call(client.io.shutdown if hasattr(client.io, "shutdown") else client.io.disconnect), PATIENCE)
            except Exception:
                traceback.print_exc()
        Client.open.clear()


asyncio.run(main())
sys.stdout.flush()
