"""gRPC with real servers and clients (grpcio): `calls.py serve PORT [CHAIN KEY]`, and `calls.py call`, which reads what to do as JSON from its
input, writes one JSON line a call, and ends when its input does."""
import concurrent.futures
import json
import os
import queue
import random
import signal
import sys
import threading
import time

import grpc

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
SERVICES = ("soak.Calls", "soak.Admin", "soak.Mortal")


# The server

def count(request, _):
    for number in range(int(request)):
        yield b"%d" % number


def tick(_, context):
    for number in range(100):
        if not context.is_active():
            return
        yield b"%d" % number
        time.sleep(0.05)


def hang(request, context):
    end = time.monotonic() + 5
    while context.is_active() and time.monotonic() < end:
        time.sleep(0.02)
    return request


def each(requests, _):
    yield from requests


def serve(port, *files):
    methods = {"Unary": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
               "Hang": grpc.unary_unary_rpc_method_handler(hang), "Count": grpc.unary_stream_rpc_method_handler(count),
               "Tick": grpc.unary_stream_rpc_method_handler(tick), "Each": grpc.stream_stream_rpc_method_handler(each),
               "Total": grpc.stream_unary_rpc_method_handler(lambda requests, _: b"%d" % sum(map(len, requests)))}
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), options=UNLIMITED)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods) for name in SERVICES])
    if files:
        chain, key = (open(file, "rb").read() for file in files)
        server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([(key, chain)]))
    else:
        server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(10))
    server.wait_for_termination()
    os._exit(0)


# The client: each case takes a channel and raises what went wrong

def unary(channel, metadata, service="Calls", timeout=20):
    message = os.urandom(random.choice((0, 10, 1000, 50_000)))
    answer = channel.unary_unary(f"/soak.{service}/Unary")(message, metadata=metadata, timeout=timeout)
    assert answer == message, "another message came back"


def mortal(channel, metadata):
    unary(channel, metadata, "Mortal")


def server_stream(channel, metadata):
    answers = list(channel.unary_stream("/soak.Calls/Count")(b"100", metadata=metadata, timeout=20))
    assert answers == [b"%d" % number for number in range(100)], f"{len(answers)} messages"


def client_stream(channel, metadata):
    messages = [b"x" * random.randrange(3000) for _ in range(50)]
    answer = channel.stream_unary("/soak.Calls/Total")(iter(messages), metadata=metadata, timeout=20)
    assert int(answer) == sum(map(len, messages)), f"{answer}"


def both_streams(channel, metadata):
    messages = queue.Queue()
    answers = channel.stream_stream("/soak.Calls/Each")(iter(messages.get, None), metadata=metadata, timeout=30)
    for number in range(20):
        messages.put(b"%d" % number)
        assert next(answers) == b"%d" % number, "out of order"
        time.sleep(random.random() / 10)
    messages.put(None)
    assert not list(answers), "messages after the end"


def cancelled(channel, metadata):
    answers = channel.unary_stream("/soak.Calls/Tick")(b"", metadata=metadata, timeout=20)
    next(answers)
    answers.cancel()
    expect(grpc.StatusCode.CANCELLED, lambda: list(answers))


def deadline(channel, metadata):
    call = channel.unary_unary("/soak.Calls/Hang")
    expect(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: call(b"", metadata=metadata, timeout=0.3))


def no_token(channel, _):
    expect(grpc.StatusCode.UNAUTHENTICATED, lambda: unary(channel, None))


def no_scope(channel, metadata):
    expect(grpc.StatusCode.PERMISSION_DENIED, lambda: unary(channel, metadata, "Admin"))


def expect(code, call):
    try:
        call()
    except grpc.RpcError as fault:
        assert fault.code() == code, f"{fault.code()} {fault.details()} instead of {code}"
        return
    raise AssertionError(f"went well instead of {code}")


# Name, case, mean pause in seconds, route, upstream, reason of a refusal.
CASES = (("unary", unary, 0.2, "calls", "calls", None), ("server stream", server_stream, 0.8, "calls", "calls", None),
         ("client stream", client_stream, 0.8, "calls", "calls", None), ("both streams", both_streams, 1, "calls", "calls", None),
         ("cancelled", cancelled, 1, "calls", "calls", None), ("deadline", deadline, 1, "calls", "calls", None),
         ("no token", no_token, 2, "calls", None, "no_token"), ("no scope", no_scope, 2, "calls-admin", None, "insufficient_scope"),
         ("mortal upstream", mortal, 0.3, "calls-mortal", "calls-mortal", None))


def loop(case, target, task, stopping, lock):
    name, run, every, route, upstream, reason = case
    options = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1000), ("grpc.default_authority", "gateway.test"),
               ("grpc.ssl_target_name_override", "gateway.test")]

    def connect():
        if target["tls"]:
            return grpc.secure_channel(target["address"], grpc.ssl_channel_credentials(task["ca"].encode()), options=options)
        return grpc.insecure_channel(target["address"], options=options)
    channel, calls = connect(), 0
    while not stopping.wait(random.uniform(0.2, 1.8) * every):
        begin, why, status = time.monotonic(), None, "OK"
        try:
            run(channel, (("authorization", f"Bearer {random.choice(task['tokens'])}"),))
        except grpc.RpcError as fault:
            why, status = f"{fault.code()} {fault.details()}", fault.code().name
        except (AssertionError, StopIteration) as fault:
            why, status = repr(fault), None
        line = {"kind": f"grpc {target['name']} {name}", "route": route, "upstream": upstream, "reason": reason,
                "begin": begin, "why": why, "status": status}
        with lock:
            print(json.dumps(line), flush=True)
        calls += 1
        if calls % 200 == 0:
            channel.close()
            channel = connect()
    channel.close()


def call():
    task = json.loads(sys.stdin.readline())
    stopping, lock = threading.Event(), threading.Lock()
    threads = [threading.Thread(target=loop, args=(case, target, task, stopping, lock)) for target in task["targets"] for case in CASES]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stopping.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    call() if sys.argv[1] == "call" else serve(*sys.argv[2:])
