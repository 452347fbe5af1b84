"""Services that recognise what pictures show, on loopback, written from their published protocols.

- Google: `POST /v1/images:annotate`, https://cloud.google.com/vision/docs/reference/rest/v1/images/annotate
- Amazon: JSON 1.1 with `X-Amz-Target`, https://docs.aws.amazon.com/rekognition/latest/APIReference
- Azure: `POST /computervision/imageanalysis:analyze`, https://learn.microsoft.com/rest/api/computervision
"""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from PIL import Image

DATE = "Sat, 28 Nov 2026 00:00:00 GMT"


class Server:
    """Answers every request well; first with what is planned.

    Attributes:
        planned: What happens to the next requests, in order: (status, headers, body), `cut`, `half` of an answer,
            `nonsense` instead of JSON, or seconds of delay.
        delay_s: How long every answer takes.
        refused: SHA-256 of pictures that are refused by content, with Google's code of the reason.
        requests: The JSON of each request, or for Azure its query.
        answered: (SHA-256 of the picture, operation) of all that was answered well, which is what is billed.
        headers: Of the last request.
    """

    def __init__(self) -> None:
        self.planned: list = []
        self.delay_s = 0.0
        self.refused: dict[str, int] = {}
        self.requests: list = []
        self.answered: list[tuple[str, str]] = []
        self.headers: dict = {}
        self.busiest = self._busy = 0
        self.lock = threading.Lock()

    @property
    def billed(self) -> Counter:
        """Operation → billable units."""
        return Counter(operation for _, operation in self.answered)

    @property
    def is_busy(self) -> bool:
        """Whether it works on a request."""
        return self._busy > 0

    @contextmanager
    def working(self) -> Iterator[None]:
        with self.lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            yield
        finally:
            with self.lock:
                self._busy -= 1


def picture(data: bytes) -> tuple[str, int, int]:
    """(SHA-256, width, height)."""
    with Image.open(io.BytesIO(data)) as opened:
        return sha256(data).hexdigest(), opened.width, opened.height


def google(server: Server, body: bytes, *_) -> dict:
    asked = json.loads(body)
    server.requests.append(asked)
    assert len(body) <= 10_000_000
    assert 1 <= len(asked["requests"]) <= 16
    responses = []
    for one in asked["requests"]:
        data = base64.b64decode(one["image"]["content"])
        digest, width, height = picture(data)
        if code := server.refused.get(digest):
            responses.append({"error": {"code": code, "message": "Bad image data."}})
            continue
        operations = [feature["type"] for feature in one["features"]]
        operations = [name if isinstance(name, str) else GOOGLE_TYPES[name] for name in operations]
        assert len(set(operations)) == len(operations)
        server.answered += [(digest, name) for name in operations]
        responses.append({key: value for name in operations for key, value in
                          google_part(name, digest, width, height).items()})  # fmt: skip
    return {"responses": responses}


GOOGLE_TYPES = {
    1: "FACE_DETECTION", 2: "LANDMARK_DETECTION", 3: "LOGO_DETECTION", 4: "LABEL_DETECTION", 5: "TEXT_DETECTION",
    6: "SAFE_SEARCH_DETECTION", 11: "DOCUMENT_TEXT_DETECTION", 10: "WEB_DETECTION", 19: "OBJECT_LOCALIZATION",
}  # fmt: skip


def word(text: str, left: int, ends: str = "", top: int = 0) -> dict:
    """A word of dense text, 20 x 10 pixels, with what stands behind its last letter."""
    symbols: list[dict] = [{"text": letter} for letter in text]
    if ends:
        symbols[-1]["property"] = {"detectedBreak": {"type": ends}}
    corners = [{"x": left, "y": top}, {"x": left + 20, "y": top}, {"x": left + 20, "y": top + 10}]
    return {"symbols": symbols, "confidence": 0.75, "boundingBox": {"vertices": corners}}


def google_part(operation: str, digest: str, width: int, height: int) -> dict:
    """What the service answers, in the form of its samples; a corner at 0 is left out, as protocol buffers do."""
    box = {"vertices": [{}, {"x": width // 2}, {"x": width // 2, "y": height}, {"y": height}]}
    parts: dict = {
        "LABEL_DETECTION": {"labelAnnotations": [
            {"mid": "/m/0bt9lr", "description": "Dog", "score": 0.75, "topicality": 0.75},
            {"mid": f"/m/{digest[:6]}", "description": f"Kind {digest[:2]}", "score": 0.5, "topicality": 0.5},
        ]},
        "OBJECT_LOCALIZATION": {"localizedObjectAnnotations": [
            {"mid": "/m/0199g", "name": "Bicycle", "score": 0.875,
             "boundingPoly": {"normalizedVertices": [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.5},
                                                     {"x": 0.75, "y": 1}, {"x": 0.25, "y": 1}]}},
        ]},
        "FACE_DETECTION": {"faceAnnotations": [
            {"boundingPoly": box, "fdBoundingPoly": box, "rollAngle": -2.5, "panAngle": 0.5, "tiltAngle": 1,
             "detectionConfidence": 0.9375, "joyLikelihood": "VERY_LIKELY", "sorrowLikelihood": "VERY_UNLIKELY",
             "angerLikelihood": "UNLIKELY", "surpriseLikelihood": "POSSIBLE", "underExposedLikelihood": "LIKELY",
             "blurredLikelihood": "UNKNOWN", "headwearLikelihood": "VERY_UNLIKELY"},
        ]},
        "TEXT_DETECTION": {
            "textAnnotations": [{"locale": "en", "description": "STOP\nNOW", "boundingPoly": box},
                                {"description": "STOP", "boundingPoly": box},
                                {"description": "NOW", "boundingPoly": box}],
            "fullTextAnnotation": {"text": "STOP\nNOW"},
        },
        "DOCUMENT_TEXT_DETECTION": {"fullTextAnnotation": {"text": "Stop, now\nor else", "pages": [{"blocks": [
            {"paragraphs": [{"words": [word("Stop", 0), word(",", 20, "SPACE"), word("now", 40, "LINE_BREAK"),
                                       word("or", 0, "SPACE", 30)]},
                            {"words": [word("else", 0, "LINE_BREAK", 60)]}]}]}]}},
        "SAFE_SEARCH_DETECTION": {"safeSearchAnnotation": {
            "adult": "VERY_UNLIKELY", "spoof": "POSSIBLE", "medical": "UNLIKELY", "violence": "LIKELY",
            "racy": "VERY_LIKELY"}},
        "LANDMARK_DETECTION": {"landmarkAnnotations": [
            {"mid": "/m/014lft", "description": "Saint Basil's Cathedral", "score": 0.75, "boundingPoly": box,
             "locations": [{"latLng": {"latitude": 55.752912, "longitude": 37.622315}}]}]},
        "LOGO_DETECTION": {},
        "WEB_DETECTION": {"webDetection": {
            "webEntities": [{"entityId": "/m/02p7_j8", "score": 1.4419, "description": "Carnival in Rio"}],
            "fullMatchingImages": [{"url": "https://example.org/a.jpg"}],
            "bestGuessLabels": [{"label": "rio carnival", "languageCode": "en"}]}},
    }  # fmt: skip
    return parts[operation]


def rekognition(server: Server, body: bytes, headers, _) -> dict:
    asked = json.loads(body)
    server.requests.append(asked)
    service, _, operation = headers["X-Amz-Target"].partition(".")
    assert (service, headers["Content-Type"]) == ("RekognitionService", "application/x-amz-json-1.1")
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
    data = base64.b64decode(asked["Image"]["Bytes"])
    assert len(data) <= 5 << 20
    digest, *_ = picture(data)
    if digest in server.refused:
        raise Refused({"__type": "InvalidImageFormatException", "Message": "Request has invalid image format"})
    server.answered.append((digest, operation))
    return rekognition_part(operation, digest)


def rekognition_part(operation: str, digest: str) -> dict:
    """What the service answers, in the form of its samples."""
    box = {"Width": 0.25, "Height": 0.5, "Left": 0.125, "Top": 0.25}
    parts: dict = {
        "DetectLabels": {"Labels": [
            {"Name": "Dog", "Confidence": 98.5, "Parents": [{"Name": "Animal"}], "Categories": [{"Name": "Animals"}],
             "Instances": [{"BoundingBox": box, "Confidence": 96.25}, {"BoundingBox": box, "Confidence": 75.0}]},
            {"Name": f"Kind {digest[:2]}", "Confidence": 60.0, "Parents": [], "Instances": []},
        ], "LabelModelVersion": "3.0"},
        "DetectFaces": {"FaceDetails": [
            {"BoundingBox": box, "Confidence": 99.5, "AgeRange": {"Low": 20, "High": 29},
             "Smile": {"Value": True, "Confidence": 87.5}, "Gender": {"Value": "Female", "Confidence": 75.0},
             "Emotions": [{"Type": "HAPPY", "Confidence": 93.75}, {"Type": "SAD", "Confidence": 1.5}],
             "Pose": {"Roll": -5.5, "Yaw": 1.25, "Pitch": 0.5}, "Quality": {"Brightness": 70.5, "Sharpness": 90.0}}]},
        "DetectText": {"TextDetections": [
            {"DetectedText": "STOP NOW", "Type": "LINE", "Id": 0, "Confidence": 99.0, "Geometry": {"BoundingBox": box}},
            {"DetectedText": "STOP", "Type": "WORD", "Id": 1, "ParentId": 0, "Confidence": 99.0,
             "Geometry": {"BoundingBox": box}}], "TextModelVersion": "3.0"},
        "DetectModerationLabels": {"ModerationLabels": [
            {"Name": "Weapons", "ParentName": "Violence", "Confidence": 88.0, "TaxonomyLevel": 2}],
            "ModerationModelVersion": "7.0"},
    }  # fmt: skip
    return parts[operation]


class Refused(Exception):
    """What the service does not take: its JSON, with status 400."""

    def __init__(self, body: dict) -> None:
        super().__init__()
        self.body = body


def azure(server: Server, body: bytes, headers, query: dict) -> dict:
    server.requests.append(query)
    assert headers["Ocp-Apim-Subscription-Key"] == "k"
    digest, width, height = picture(body)
    features = query["features"][0].split(",")
    if digest in server.refused:
        inner = {"code": "InvalidImageSize", "message": "The image dimension is not allowed to be smaller than 50."}
        raise Refused({"error": {"code": "InvalidRequest", "message": inner["message"], "innererror": inner}})
    server.answered += [(digest, name) for name in features]
    parts = [azure_part(name, digest, width, height) for name in features]
    return {"modelVersion": "2023-10-01", "metadata": {"width": width, "height": height},
            **{key: value for part in parts for key, value in part.items()}}  # fmt: skip


def azure_part(feature: str, digest: str, width: int, height: int) -> dict:
    """What the service answers, in the form of its samples."""
    box = {"x": width // 4, "y": height // 2, "w": width // 2, "h": height // 4}
    corners = [{"x": 0, "y": 0}, {"x": width // 2, "y": 0}, {"x": width // 2, "y": height}, {"x": 0, "y": height}]
    words = [{"text": "STOP", "boundingPolygon": corners, "confidence": 0.875}]
    parts: dict = {
        "tags": {"tagsResult": {"values": [{"name": "dog", "confidence": 0.96875},
                                           {"name": f"kind {digest[:2]}", "confidence": 0.5}]}},
        "objects": {"objectsResult": {"values": [{"boundingBox": box, "tags": [{"name": "dog", "confidence": 0.75}]}]}},
        "people": {"peopleResult": {"values": [{"boundingBox": box, "confidence": 0.9375}]}},
        "read": {"readResult": {"blocks": [{"lines": [{"text": "STOP", "boundingPolygon": corners, "words": words}]}]}},
        "caption": {"captionResult": {"text": "a dog that runs", "confidence": 0.625}},
    }  # fmt: skip
    return parts[feature]


SERVICES = {"/v1/images:annotate": google, "/": rekognition, "/computervision/imageanalysis:analyze": azure}


def _handler(server: Server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            with server.working():
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.headers = dict(self.headers)
                with server.lock:
                    plan = server.planned.pop(0) if server.planned else server.delay_s
                if plan == "cut":
                    return self.cut()
                if isinstance(plan, tuple):
                    return self.reply(*plan)
                if plan == "nonsense":
                    return self.reply(200, {}, b"<html>busy</html>")
                time.sleep(0 if isinstance(plan, str) else plan)
                address = urlsplit(self.path)
                try:
                    with server.lock:
                        answer = SERVICES[address.path](server, body, self.headers, parse_qs(address.query))
                except Refused as error:
                    return self.reply(400, {}, json.dumps(error.body).encode())
                data = json.dumps(answer).encode()
                return self.reply(200, {}, data, short=plan == "half")

        def reply(self, status: int, headers: dict, body: bytes, *, short: bool = False) -> None:
            self.send_response_only(status)
            for name, value in {"Date": DATE, "Content-Type": "application/json", "Content-Length": len(body),
                                "x-amzn-RequestId": "r-1", "apim-request-id": "r-1", **headers}.items():  # fmt: skip
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if short else body)
            if short:
                self.cut()

        def cut(self) -> None:
            """A reset, no goodbye."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                return  # it was cut

    return Handler


@contextmanager
def serving() -> Iterator[tuple[Server, str]]:
    """A running server, and its address."""
    served = Server()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    httpd.daemon_threads = True
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that are killed hang up
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served, f"http://127.0.0.1:{httpd.server_address[1]}"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
