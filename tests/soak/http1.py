"""An HTTP/1.1 client that sees every step of a message, and believes nothing that is not well framed (RFC 9112)."""
import asyncio

PATIENCE = 30  # seconds, for one step of an answer


class Cut(Exception):
    """The connection ended; `begun` when something of the answer had come."""

    def __init__(self, why, begun):
        super().__init__(why)
        self.begun = begun


class Malformed(Exception):
    """An answer that RFC 9112 does not allow."""


class Peer:
    """One connection."""

    def __init__(self, place, reader, writer):
        self.place, self.reader, self.writer, self.used, self.open = place, reader, writer, 0, True

    @classmethod
    async def connect(cls, place, **options):
        return cls(place, *await place.connect("http/1.1", **options))

    def head(self, method, path, token=None, fields=()):
        lines = [f"{method} {path} HTTP/1.1", "host: gateway.test"]
        if token:
            lines.append(f"authorization: Bearer {token}")
        lines += [f"{name}: {value}" for name, value in fields]
        return "\r\n".join([*lines, "", ""]).encode()

    async def request(self, method, path, token=None, fields=(), body=None, chunked=False):
        """Sends a request and reads its answer: `(status, fields, content)`."""
        fields = list(fields)
        content = b""
        if body is not None and chunked:
            fields.append(("transfer-encoding", "chunked"))
            parts = [body[start:start + 3000] for start in range(0, len(body), 3000)]
            content = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif body is not None:
            fields.append(("content-length", str(len(body))))
            content = body
        await self.send(self.head(method, path, token, fields) + content)
        status, fields = await self.answer_head()
        return status, fields, await self.content(method, status, fields)

    async def send(self, data):
        try:
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), PATIENCE)
        except TimeoutError:
            raise Cut("nothing more was taken", False) from None
        except OSError as fault:
            if not self.place.tls:  # an answer that came before the end of the request is still to be read
                return
            raise Cut(f"{type(fault).__name__} while sending", False) from None

    async def answer_head(self):
        """The final status and the fields; interim answers are read over."""
        while True:
            lines = (await self.step(self.reader.readuntil(b"\r\n\r\n"), False)).decode("latin-1").split("\r\n")[:-2]
            version, status, *_ = lines[0].split(" ", 2)
            if version != "HTTP/1.1" or not status.isdecimal():
                raise Malformed(lines[0])
            fields = {}
            for line in lines[1:]:
                name, colon, value = line.partition(":")
                if not colon or not name or name != name.strip():
                    raise Malformed(line)
                name = name.lower()
                fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
            if status == "101" or not status.startswith("1"):
                self.used += 1
                self.open = "close" not in fields.get("connection", "").lower()
                return int(status), fields

    async def content(self, method, status, fields):
        return b"".join([piece async for piece in self.pieces(method, status, fields)])

    async def pieces(self, method, status, fields):
        """The content, piece by piece."""
        if method == "HEAD" or status in (204, 304):
            return
        if "chunked" in fields.get("transfer-encoding", ""):
            if "content-length" in fields:
                raise Malformed("both lengths")
            while size := int(await self.step(self.reader.readuntil(b"\r\n"), True), 16):
                yield await self.step(self.reader.readexactly(size), True)
                if await self.step(self.reader.readexactly(2), True) != b"\r\n":
                    raise Malformed("chunk without an end")
            while await self.step(self.reader.readuntil(b"\r\n"), True) != b"\r\n":
                pass
        elif "content-length" in fields:
            left = int(fields["content-length"])
            while left:
                piece = await self.step(self.reader.read(min(left, 1 << 18)), True)
                if not piece:
                    raise Cut(f"{left} bytes before the end", True)
                left -= len(piece)
                yield piece
        else:
            self.open = False
            while piece := await self.step(self.reader.read(1 << 18), True):
                yield piece

    async def step(self, reading, begun):
        try:
            return await asyncio.wait_for(reading, PATIENCE)
        except asyncio.IncompleteReadError as end:
            raise Cut("the connection ended", begun or bool(end.partial)) from None
        except TimeoutError:
            raise Cut(f"nothing came for {PATIENCE} s", begun) from None
        except OSError as fault:
            raise Cut(f"{type(fault).__name__}: {fault}", begun) from None

    def close(self):
        self.open = False
        self.writer.close()

    def abort(self):
        """Ends the connection with a reset."""
        self.open = False
        self.writer.transport.abort()
