"""An HTTP/2 client over the `h2` package, with many streams on one connection (RFC 9113) and WebSocket (RFC 8441)."""
import asyncio

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from good import Client
from http1 import PATIENCE, Cut

WINDOW = 1 << 24  # of the connection: one slow stream holds up no other


class Refused(Cut):
    """The stream was never looked at: it may be sent again on another connection (RFC 9113 section 8.7)."""

    def __init__(self, why):
        super().__init__(why, False)


class Frames(h2.connection.H2Connection):
    """`h2` takes a GOAWAY for the end; streams that were begun before it go on (RFC 9113 section 6.8)."""

    def _receive_goaway_frame(self, frame):
        event = h2.events.ConnectionTerminated()
        event.error_code, event.last_stream_id, event.additional_data = frame.error_code, frame.last_stream_id, frame.additional_data
        return [], [event]


class Stream:
    def __init__(self, connection, number):
        self.connection, self.number, self.events = connection, number, asyncio.Queue()
        self.begun, self.ended = False, None

    async def event(self):
        """The next thing that came: `("head", fields)`, `("data", bytes)` or `("end", None)`; a bad end is raised."""
        if self.ended and self.events.empty():
            raise self.ended
        try:
            kind, value = await asyncio.wait_for(self.events.get(), PATIENCE)
        except TimeoutError:
            raise Cut(f"nothing came for {PATIENCE} s", self.begun) from None
        if kind == "fault":
            self.ended = value
            raise value
        self.begun = True
        if kind == "data":
            data, credit = value
            self.connection.give_back(self.number, credit)
            return kind, data
        return kind, value

    async def answer_head(self):
        while True:
            kind, fields = await self.event()
            if kind == "head" and not fields[":status"].startswith("1"):
                return int(fields[":status"]), fields

    async def pieces(self):
        while True:
            kind, value = await self.event()
            if kind == "end":
                return
            if kind == "data":
                yield value

    async def send(self, data, end=False):
        """Sends content as the windows allow; false when the peer wants no more of it."""
        if not data and not end:
            # A connection may have few frames that say nothing (docs/http2.md).
            return not self.ended
        frames, position, view = self.connection.frames, 0, memoryview(data)
        while not self.ended:
            try:
                room = min(frames.local_flow_control_window(self.number), frames.max_outbound_frame_size)
                if position == len(view) or room > 0:
                    part = view[position:position + max(room, 0)]
                    position += len(part)
                    last = position == len(view)
                    frames.send_data(self.number, bytes(part), end_stream=end and last)
                    await self.connection.flush()
                    if last:
                        return True
                    continue
            except h2.exceptions.ProtocolError:
                return False
            await self.connection.changed(self)
        return False

    def reset(self, code=h2.errors.ErrorCodes.CANCEL):
        self.connection.streams.pop(self.number, None)
        try:
            self.connection.frames.reset_stream(self.number, code)
            self.connection.send_soon()
        except h2.exceptions.ProtocolError:
            pass


class Connection:
    """One connection; `open` while new streams may be begun on it."""

    def __init__(self, place, reader, writer):
        self.place, self.reader, self.writer = place, reader, writer
        self.frames = Frames(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.streams, self.open, self.used, self.waiting = {}, True, 0, asyncio.Event()
        self.settled = asyncio.Event()

    @classmethod
    async def connect(cls, place, window=65535):
        """`window`: bytes that the peer may send ahead on one stream."""
        self = cls(place, *await place.connect("h2", limit=1 << 18))
        if place.tls and self.writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            self.writer.close()
            raise Cut("h2 was not chosen by ALPN", False)
        self.frames.local_settings = h2.settings.Settings(client=True, initial_values={
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window, h2.settings.SettingCodes.ENABLE_PUSH: 0})
        self.frames.initiate_connection()
        self.frames.increment_flow_control_window(WINDOW - 65535)
        self.reading = asyncio.create_task(self.read())
        await self.flush()
        try:
            await asyncio.wait_for(self.settled.wait(), PATIENCE)
        except TimeoutError:
            self.close()
            raise Cut("no settings came", False) from None
        return self

    @property
    def tunnels(self):
        """Whether the peer takes WebSocket over HTTP/2 (RFC 8441 section 3)."""
        return self.frames.remote_settings.enable_connect_protocol == 1

    def begin(self, method, path, token=None, fields=(), end=True, protocol=None):
        """Begins a stream."""
        if not self.open:
            raise Refused("the connection takes no new streams")
        head = [(":method", method), (":scheme", "https" if self.place.tls else "http"), (":authority", "gateway.test"), (":path", path)]
        if protocol:
            head.append((":protocol", protocol))
        if token:
            head.append(("authorization", f"Bearer {token}"))
        number = self.frames.get_next_available_stream_id()
        try:
            self.frames.send_headers(number, [*head, *fields], end_stream=end)
        except h2.exceptions.ProtocolError as fault:
            raise Refused(repr(fault)) from None
        self.used += 1
        self.streams[number] = stream = Stream(self, number)
        self.send_soon()
        return stream

    async def request(self, method, path, token=None, fields=(), body=None, chunked=False):
        """Sends a request and reads its answer: `(status, fields, content)`; `chunked` sends content of unknown length."""
        fields = list(fields)
        if body is not None and not chunked:
            fields.append(("content-length", str(len(body))))
        stream = self.begin(method, path, token, fields, end=body is None)
        if body is not None:
            # The end of the content in a frame of its own, or with the last of it. The answer may be whole before.
            apart = self.used % 3 == 0
            if await stream.send(body, end=not apart) and apart:
                await stream.send(b"", end=True)
        status, fields = await stream.answer_head()
        content = b"".join([piece async for piece in stream.pieces()])
        if method != "HEAD" and "content-length" in fields and len(content) != int(fields["content-length"]):
            raise Cut(f"{len(content)} bytes of {fields['content-length']}", True)
        return status, fields, content

    def give_back(self, number, credit):
        if credit:
            try:
                self.frames.acknowledge_received_data(credit, number)
                self.send_soon()
            except (h2.exceptions.ProtocolError, KeyError):
                pass

    def send_soon(self):
        data = self.frames.data_to_send()
        if data and not self.writer.is_closing():
            self.writer.write(data)

    async def flush(self):
        self.send_soon()
        try:
            await asyncio.wait_for(self.writer.drain(), PATIENCE)
        except (OSError, TimeoutError):
            pass  # the reading side says how it ended

    async def changed(self, stream):
        """Waits until a window may have grown."""
        self.waiting.clear()
        try:
            await asyncio.wait_for(self.waiting.wait(), PATIENCE)
        except TimeoutError:
            raise Cut(f"no window for {PATIENCE} s", stream.begun) from None

    async def read(self):
        why = "the connection ended"
        try:
            while data := await self.reader.read(1 << 18):
                for event in self.frames.receive_data(data):
                    self.handle(event)
                self.send_soon()
        except (OSError, h2.exceptions.ProtocolError) as fault:
            why = repr(fault)
        self.open = False
        for stream in list(self.streams.values()):
            stream.events.put_nowait(("fault", Cut(why, stream.begun)))
        self.streams.clear()
        self.settled.set()
        self.waiting.set()
        self.writer.close()

    def handle(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        put = stream.events.put_nowait if stream else lambda _: None
        match event:
            case h2.events.ResponseReceived() | h2.events.InformationalResponseReceived() | h2.events.TrailersReceived():
                kind = "trailers" if isinstance(event, h2.events.TrailersReceived) else "head"
                put((kind, dict(event.headers)))
            case h2.events.DataReceived():
                if stream:
                    put(("data", (event.data, event.flow_controlled_length)))
                else:
                    self.give_back(event.stream_id, event.flow_controlled_length)
            case h2.events.StreamEnded():
                put(("end", None))
                self.streams.pop(event.stream_id, None)
            case h2.events.StreamReset():
                if stream and event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM:
                    put(("fault", Refused("refused")))
                else:
                    put(("fault", Cut(f"reset with {event.error_code!r}", bool(stream and (stream.begun or not stream.events.empty())))))
                self.streams.pop(event.stream_id, None)
            case h2.events.ConnectionTerminated():
                self.open = False
                for number in [number for number in self.streams if number > event.last_stream_id]:
                    self.streams.pop(number).events.put_nowait(("fault", Refused("beyond the last stream of GOAWAY")))
            case h2.events.RemoteSettingsChanged():
                self.settled.set()
        self.waiting.set()

    def close(self):
        """Ends the connection, with a GOAWAY."""
        self.open = False
        try:
            self.frames.close_connection()
            self.send_soon()
        except (h2.exceptions.ProtocolError, OSError):
            pass
        self.writer.close()

    def abort(self):
        self.open = False
        self.writer.transport.abort()


class Shared:
    """One connection for several clients, made anew when it takes no more."""

    def __init__(self, place):
        self.place, self.connection, self.lock, self.users, self.made = place, None, asyncio.Lock(), 0, 0

    async def get(self):
        async with self.lock:
            if self.connection is None or not self.connection.open:
                self.leave(self.connection)
                self.connection = await Connection.connect(self.place)
                self.made += 1
        return self.connection

    def leave(self, connection):
        """Begins nothing more on a connection; it is closed when its streams have ended."""
        if connection is None:
            return
        connection.open = False

        async def close_later():
            while connection.streams and not connection.reading.done():
                await asyncio.sleep(0.1)
            connection.close()
        connection.closing = asyncio.create_task(close_later())

    def renew(self):
        """The next stream gets a new connection."""
        self.leave(self.connection)
        self.connection = None


class Client2(Client):
    """A client of a shared connection: all that `good` and `ugly` ask of an HTTP/1.1 client can be asked of it."""

    def __init__(self, run, kind, shared):
        super().__init__(run, kind, shared.place)
        self.shared = shared

    async def attempt(self, method, path, request):
        connection = await self.shared.get()
        self.was_kept = connection.used > 0
        return await connection.request(method, path, **request)

    def close(self):
        pass
