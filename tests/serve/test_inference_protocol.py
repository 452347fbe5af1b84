from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.engines.onnx.recipe import prepare
from mediasift.serve import inference_protocol
from tests.pictures import save, scene
from tests.serve.service import Service

MODEL = "digits-lenet"


@pytest.fixture(scope="module")
def client(service: Service):
    """Triton's own, which knows nothing of us."""
    from tritonclient.http import InferenceServerClient

    own = InferenceServerClient(service.address, network_timeout=120, connection_timeout=120)
    yield own
    own.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("files")
    return [save(folder / f"{seed}.png", scene(40, 28, seed=seed)).read_bytes() for seed in range(5)]


def numbers(files: list[bytes]) -> np.ndarray:
    """The pictures as a client of the model prepares them, float32 (N, 28, 28, 1)."""
    import cv2

    loaded = ms.load_model(MODEL)
    decoded = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR_RGB) for one in files]
    return np.stack([prepare(np.asarray(one, np.uint8), loaded.description.input) for one in decoded])


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert not client.is_model_ready("other")
    assert client.is_model_ready(MODEL, "1")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    about = client.get_model_metadata(MODEL)
    assert about["inputs"] == [
        {"name": "pixels", "datatype": "FP32", "shape": [-1, 28, 28, 1]},
        {"name": inference_protocol.IMAGE, "datatype": "BYTES", "shape": [-1]},
    ]
    assert about["outputs"][0] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_numbers_of_a_prepared_picture_are_those_of_the_model(client, files, binary_in: bool, binary_out: bool):
    from tritonclient.http import InferInput, InferRequestedOutput

    batch = numbers(files)
    given = InferInput("pixels", list(batch.shape), "FP32")
    given.set_data_from_numpy(batch, binary_data=binary_in)
    wanted = InferRequestedOutput("probabilities", binary_data=binary_out)
    answer = client.infer(MODEL, [given], outputs=[wanted], request_id="seven")
    np.testing.assert_array_equal(answer.as_numpy("probabilities"), ms.load_model(MODEL).run(batch))
    assert answer.get_response()["id"] == "seven"
    assert answer.get_response()["model_name"] == MODEL


@pytest.mark.parametrize("model", [MODEL, "digits-forest"])
def test_files_of_pictures_give_the_rows_of_the_verb(client, files, model: str):
    from tritonclient.http import InferInput

    given = InferInput("image", [len(files) + 1], "BYTES")
    given.set_data_from_numpy(np.array([*files, b"nonsense"], dtype=np.object_))
    rows = [json.loads(one) for one in client.infer(model, [given], parameters={"top": 2}).as_numpy("rows")]
    loaded = ms.load_model(model)
    for ours, file in zip(rows, files, strict=False):
        theirs = loaded.predict(file, top=2)
        assert [row["label"] for row in ours] == [row.label for row in theirs]
        assert [row["score"] for row in ours] == pytest.approx([row.score for row in theirs], abs=2e-6)
    assert rows[-1][0]["error"].startswith("not-media: ")


def test_files_in_json_are_base64(service: Service, files):
    text = [base64.b64encode(one).decode() for one in files[:2]]
    asked = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": text}]}
    answer = service.post(f"/v2/models/{MODEL}/versions/1/infer", json.dumps(asked), "application/json").json()
    assert answer["outputs"][0]["shape"] == [2]
    assert [json.loads(one)[0]["rank"] for one in answer["outputs"][0]["data"]] == [1, 1]


IMAGE = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["eA=="]}
PIXELS = {"name": "pixels", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": [0] * 784}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "no JSON object"),
        ({}, "0 inputs; send one"),
        ({"inputs": [IMAGE, PIXELS]}, "2 inputs; send one"),
        ({"inputs": [{**IMAGE, "shape": [2]}]}, "1 elements for the shape [2]"),
        ({"inputs": [{**IMAGE, "shape": "x"}]}, "list of whole numbers"),
        ({"inputs": [{**IMAGE, "data": ["no base64"]}]}, "base64"),
        ({"inputs": [{**IMAGE, "data": None}]}, "base64"),
        ({"inputs": [{**PIXELS, "name": "other"}]}, "digits-lenet takes 'pixels' of FP32, or 'image' of BYTES"),
        ({"inputs": [{**PIXELS, "datatype": "INT8"}]}, "no numbers of INT8"),
        ({"inputs": [{**PIXELS, "data": ["a"]}]}, "no numbers of FP32"),
        ({"inputs": [{**PIXELS, "data": [1, 2]}]}, "784 fit"),
        ({"inputs": [{**PIXELS, "shape": [784, 1, 1, 1]}]}, "takes (N, 28, 28, 1)"),
        ({"inputs": [{**PIXELS, "shape": [0, 28, 28, 1], "data": []}]}, "takes (N, 28, 28, 1)"),
        ({"inputs": [{**PIXELS, "parameters": {"binary_data_size": 5}}]}, "but 0 bytes follow"),
        ({"inputs": [PIXELS], "outputs": [{"name": "rows"}]}, "no output 'rows' for this input"),
        ({"inputs": [IMAGE], "parameters": {"tip": 3}}, "no option 'tip'"),
    ],
)
def test_a_wrong_request_is_refused_with_what_to_do(service: Service, asked, words):
    answer = service.post(f"/v2/models/{MODEL}/infer", json.dumps(asked), "application/json")
    assert (answer.status, words in answer.json()["error"]) == (400, True), answer.body


def test_numbers_that_the_model_cannot_take_are_an_error(service: Service):
    hostile = {**PIXELS, "data": [1e39] * 784}
    answer = service.post(f"/v2/models/{MODEL}/infer", json.dumps({"inputs": [hostile]}), "application/json")
    assert answer.status == 400
    assert service.ask("GET", "/v2/models/other").status == 404
    assert service.ask("GET", f"/v2/models/{MODEL}/versions/2").status == 404


def test_a_length_of_json_that_is_wrong(service: Service):
    answer = service.ask("POST", f"/v2/models/{MODEL}/infer", b"{}", Inference_Header_Content_Length="9")
    assert (answer.status, "has 2 bytes" in answer.json()["error"]) == (400, True)


def test_text_behind_its_length():
    lengths = inference_protocol._lengths
    assert lengths(b"\x01\0\0\0a\0\0\0\0") == [b"a", b""]
    with pytest.raises(Exception, match="ends behind the body"):
        lengths(b"\x05\0\0\0a")
    assert Path(inference_protocol.__file__).is_file()
