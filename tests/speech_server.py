"""A Speech-to-Text server on loopback that speaks the protocol of the client's own protos."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
        requests: What was asked, recognise and batch.
        answered: SHA-256 of the sound of each request that was answered well.
    """

    def __init__(self) -> None:
        self.failures: list[grpc.StatusCode] = []
        self.delay_s = 0.0
        self.requests: list = []
        self.answered: list[str] = []
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()

    def recognize(self, request, context):
        with self._lock:
            self.requests.append(request)
            failure = self.failures.pop(0) if self.failures else None
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        time.sleep(self.delay_s)
        with self._lock:
            self._busy -= 1
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
