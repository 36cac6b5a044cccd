"""A server and a client of greeter.thrift on Apache Thrift's Python library, for the interop suites.

  peer.py server --gen FOLDER --transport framed|buffered|header --protocol binary|compact --name NAME [--multiplexed]
    prints {"port": N} when it listens; ends with its standard input. `header` takes clients of every transport.

  peer.py client --gen FOLDER --port N --transport framed|buffered|header --protocol binary|compact
                 [--service NAME] [--zlib]
    reads {"method", "args", "headers", "count"} lines; prints {"value"} or {"error", "type", "code"} for each call.
"""

import argparse
import json
import os
import sys
import threading

flags = argparse.ArgumentParser()
flags.add_argument("role", choices=["server", "client"])
flags.add_argument("--gen", required=True)
flags.add_argument("--transport", default="framed")
flags.add_argument("--protocol", default="binary")
flags.add_argument("--name", default="python")
flags.add_argument("--port", type=int, default=0)
flags.add_argument("--service")
flags.add_argument("--multiplexed", action="store_true")
flags.add_argument("--zlib", action="store_true")
options = flags.parse_args()
sys.path.insert(0, options.gen)

from greeter import Counter, Greeter  # noqa: E402
from greeter.ttypes import Item, Refused  # noqa: E402
from thrift.TMultiplexedProcessor import TMultiplexedProcessor  # noqa: E402
from thrift.protocol.TBinaryProtocol import TBinaryProtocolFactory  # noqa: E402
from thrift.protocol.TCompactProtocol import TCompactProtocolFactory  # noqa: E402
from thrift.protocol.THeaderProtocol import THeaderProtocolFactory  # noqa: E402
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol  # noqa: E402
from thrift.server.TServer import TThreadedServer  # noqa: E402
from thrift.transport import TSocket, TTransport  # noqa: E402
from thrift.transport.THeaderTransport import (  # noqa: E402
    THeaderClientType,
    THeaderSubprotocolID,
    THeaderTransformID,
)

printing = threading.Lock()


def say(value):
    with printing:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


def factories():
    if options.transport == "header":
        compact = options.protocol == "compact"
        kind = THeaderSubprotocolID.COMPACT if compact else THeaderSubprotocolID.BINARY
        every = [
            THeaderClientType.HEADERS,
            THeaderClientType.FRAMED_BINARY,
            THeaderClientType.UNFRAMED_BINARY,
            THeaderClientType.FRAMED_COMPACT,
            THeaderClientType.UNFRAMED_COMPACT,
        ]
        return TTransport.TBufferedTransportFactory(), THeaderProtocolFactory(every, kind)
    framed = options.transport == "framed"
    transport = TTransport.TFramedTransportFactory() if framed else TTransport.TBufferedTransportFactory()
    protocol = TCompactProtocolFactory() if options.protocol == "compact" else TBinaryProtocolFactory()
    return transport, protocol


class Handler:
    def __init__(self):
        self.heard = []
        self.current = threading.local()

    def sayHello(self, name):
        return "%s greets %s" % (options.name, name)

    def echo(self, item):
        if not item.name:
            raise Refused("an item without a name", item)
        return item

    def header(self, name):
        headers = getattr(self.current.protocol.trans, "get_headers", dict)()
        return headers.get(name.encode(), b"").decode()

    def touch(self):
        pass

    def tell(self, text):
        self.heard.append(text)

    def told(self):
        return self.heard

    def fail(self, message):
        raise ValueError(message)

    def add(self, a, b):
        return a + b


class Remembering:
    """A processor that lets the handler see the protocol of the call, for its headers."""

    def __init__(self, processor, handler):
        self.processor = processor
        self.handler = handler

    def process(self, iprot, oprot):
        self.handler.current.protocol = iprot
        return self.processor.process(iprot, oprot)


class Listening(TSocket.TServerSocket):
    def listen(self):
        super().listen()
        say({"port": self.handle.getsockname()[1]})


def serve():
    handler = Handler()
    processor = Greeter.Processor(handler)
    if options.multiplexed:
        processor = TMultiplexedProcessor()
        processor.registerProcessor("Greeter", Greeter.Processor(handler))
        processor.registerProcessor("Counter", Counter.Processor(handler))
    transport, protocol = factories()
    socket = Listening(host="127.0.0.1", port=0)
    server = TThreadedServer(Remembering(processor, handler), socket, transport, protocol, daemon=True)
    threading.Thread(target=server.serve, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def call():
    transport_factory, protocol_factory = factories()
    transport = transport_factory.getTransport(TSocket.TSocket("127.0.0.1", options.port))
    header = protocol = protocol_factory.getProtocol(transport)
    if options.zlib:
        header.add_transform(THeaderTransformID.ZLIB)
    if options.service:
        protocol = TMultiplexedProtocol(protocol, options.service)
    client = Counter.Client(protocol) if options.service == "Counter" else Greeter.Client(protocol)
    transport.open()
    say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        for _ in range(order.get("count", 1)):
            for key, value in order.get("headers", {}).items():
                header.set_header(key.encode(), value.encode())
            say(outcome(client, order))


def item_of(value):
    """Objects are items, and so are their parts."""
    if not isinstance(value, dict):
        return value
    return Item(**{key: [item_of(it) for it in field] if key == "parts" else field for key, field in value.items()})


def outcome(client, order):
    arguments = [item_of(it) for it in order.get("args", [])]
    try:
        value = getattr(client, order["method"])(*arguments)
        return {"value": json.loads(json.dumps(value, default=lambda it: list(it) if isinstance(it, set) else it.__dict__))}
    except Exception as error:
        text = getattr(error, "message", None) or getattr(error, "reason", None) or str(error)
        return {"error": text, "type": type(error).__name__, "code": getattr(error, "type", None)}


serve() if options.role == "server" else call()
