"""A sample API: it tells what the gateway has told it, and keeps orders in memory, each with its owner."""
import http.server
import itertools
import json

ORDERS, NUMBERS = {}, itertools.count(1)


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"status": "ok"})
        access, subject = self.headers["Scopegate-Access"], self.headers["Scopegate-Subject"]
        mine = [order for order in ORDERS.values() if access == "admin" or order["owner"] == subject]
        return self.answer(200, {"access": access, "subject": subject, "orders": mine})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        number = next(NUMBERS)
        ORDERS[number] = {"number": number, "owner": self.headers["Scopegate-Subject"]}
        return self.answer(201, ORDERS[number])

    def do_DELETE(self):
        order = ORDERS.get(int(self.path.rpartition("/")[2]) if self.path.rpartition("/")[2].isdigit() else 0)
        if order is None or (self.headers["Scopegate-Access"] != "admin" and order["owner"] != self.headers["Scopegate-Subject"]):
            return self.answer(404, {"error": "no such order"})
        return self.answer(200, ORDERS.pop(order["number"]))

    def answer(self, status, content):
        content = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


http.server.ThreadingHTTPServer(("", 9000), Api).serve_forever()
