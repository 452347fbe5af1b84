"""A Speech-to-Text server on loopback that speaks the protocol of the client's own protos."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from hashlib import sha256

import grpc
from google.cloud import speech_v2 as speech
from google.longrunning import operations_pb2

SERVICE = "google.cloud.speech.v2.Speech"


class Server:
    """Answers every recognition with two words; first with the failures that are planned.

    Attributes:
        failures: Status codes that the next requests get, in order.
        delay_s: How long every answer takes.
        cable: Where the clients' connections go through, when there is one.
        cuts: How many of the next requests are answered by cutting the cable.
        requests: What was asked, recognise and batch.
        answered: SHA-256 of the sound of each request that was answered well.
    """

    def __init__(self) -> None:
        self.failures: list[grpc.StatusCode] = []
        self.delay_s = 0.0
        self.cable: Cable | None = None
        self.cuts = 0
        self.requests: list = []
        self.answered: list[str] = []
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()

    def recognize(self, request, context):
        with self._lock:
            self.requests.append(request)
            failure = self.failures.pop(0) if self.failures else None
            cut, self.cuts = self.cuts > 0, max(0, self.cuts - 1)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        time.sleep(self.delay_s)
        with self._lock:
            self._busy -= 1
        if cut:
            self.cable.cut()
        if failure is not None:
            context.abort(failure, f"planned: {failure.name}")
        with self._lock:
            self.answered.append(sha256(request.content).hexdigest())
        return speech.RecognizeResponse(results=self._results())

    def batch_recognize(self, request, context):
        self.requests.append(request)
        answer = speech.BatchRecognizeResponse()
        for file in request.files:
            inline = speech.InlineResult(transcript=speech.BatchRecognizeResults(results=self._results()))
            answer.results[file.uri] = speech.BatchRecognizeFileResult(inline_result=inline)
        operation = operations_pb2.Operation(name="operations/1", done=True)
        operation.response.Pack(speech.BatchRecognizeResponse.pb(answer))
        return operation

    @staticmethod
    def _results() -> list:
        words = [
            speech.WordInfo(word=word, start_offset=timedelta(seconds=start), end_offset=timedelta(seconds=start + 0.2),
                            confidence=0.5, speaker_label=speaker)
            for word, start, speaker in (("Hello", 0.1, "1"), ("world.", 0.4, "2"))
        ]  # fmt: skip
        best = speech.SpeechRecognitionAlternative(transcript="Hello world.", confidence=0.75, words=words)
        return [speech.SpeechRecognitionResult(alternatives=[best], result_end_offset=timedelta(seconds=0.6))]


class Cable:
    """A TCP connection to a server that can be cut in the middle: both ends get a reset.

    Attributes:
        port: Connect here.
        connections: How many there have been.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            far = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self.connections += 1
                self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return  # cut

    def cut(self) -> None:
        """Reset all connections; new ones are accepted."""
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for bytes
            end.close()

    def close(self) -> None:
        """The end."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


@contextmanager
def serving() -> Iterator[tuple[Server, str]]:
    """A running server, and its address."""
    served = Server()
    methods = {
        "Recognize": grpc.unary_unary_rpc_method_handler(
            served.recognize,
            request_deserializer=speech.RecognizeRequest.deserialize,
            response_serializer=speech.RecognizeResponse.serialize,
        ),
        "BatchRecognize": grpc.unary_unary_rpc_method_handler(
            served.batch_recognize,
            request_deserializer=speech.BatchRecognizeRequest.deserialize,
            response_serializer=operations_pb2.Operation.SerializeToString,
        ),
    }
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield served, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
