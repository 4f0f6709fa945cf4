"""Clients: requests at a rate, connections that are held, WebSockets."""
import base64
import http.client
import os
import socket
import threading
import time


class Load:
    """Requests to one gateway, `rate` a second over `clients` connections, until `stop`. `headers` may be a function."""

    def __init__(self, gateway, rate, path, token=None, clients=1, method="GET"):
        self.gateway, self.rate, self.path, self.token, self.method = gateway, rate / clients, path, token, method
        self.over, self.statuses = threading.Event(), {}
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection, due = None, time.monotonic()
        while not self.over.is_set():
            token = self.token() if callable(self.token) else self.token
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=15)
                connection.request(self.method, self.path, headers={"Authorization": "Bearer " + token} if token else {})
                answer = connection.getresponse()
                answer.read()
                self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
                if answer.will_close:
                    connection = self.close(connection)
            except (OSError, http.client.HTTPException):
                connection = self.close(connection)
                self.over.wait(0.1)
            due = max(due + 1 / self.rate, time.monotonic() - 1)
            self.over.wait(max(0, due - time.monotonic()))
        self.close(connection)

    @staticmethod
    def close(connection):
        if connection:
            connection.close()

    def stop(self):
        self.over.set()


class Held:
    """Connections that are opened and say nothing, or WebSockets that are open and say nothing."""

    def __init__(self, gateway, count, websocket_token=None):
        self.sockets = []
        for _ in range(count):
            peer = socket.create_connection(("127.0.0.1", gateway.port), 5)
            self.sockets.append(peer)
            if websocket_token:
                key = base64.b64encode(os.urandom(16)).decode()
                peer.sendall((f"GET /feed HTTP/1.1\r\nHost: api\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              f"Sec-WebSocket-Key: {key}\r\nAuthorization: Bearer {websocket_token}\r\n\r\n").encode())
                assert b" 101 " in peer.recv(4096).split(b"\r\n")[0]
            else:
                peer.sendall(b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n")
                peer.recv(4096)

    def stop(self):
        for peer in self.sockets:
            peer.close()
