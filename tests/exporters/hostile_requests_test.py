"""Requests that no client sends by accident."""

import http.client
import json
import socket
import threading
import time
import urllib.parse

import numpy as np
import pytest

from tlkeras.exporters import rest_server

PREDICT = "/v1/models/photos:predict"


@pytest.fixture
def address(rest_url):
    place = urllib.parse.urlsplit(rest_url)
    return place.hostname, place.port


def ask(address, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"instances": ' + b"[" * 100_000,
        b'{"instances": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}",
        b'{"instances": [' + b"9" * 5000 + b"]}",
        b'{"signature_name": "image", "instances": [1e999]}',
        b'{"signature_name": "image", "instances": [[[["1"]]]]}',
        b'{"signature_name": "image", "instances": [[1], [1, 2]]}',
        b'{"signature_name": "image", "instances": [' + b"9" * 400 + b"]}",
        b'{"signature_name": "image", "instances": [null]}',
        b"\xff\xfe",
        b'{"signature_name": "' + b"x" * 10**6 + b'", "instances": [1]}',
        b'{"inputs": {"' + b"x" * 10**6 + b'": 1}}',
    ],
    ids=range(12),
)
def test_a_hostile_body_is_answered(address, body):
    status, answer = ask(address, "POST", PREDICT, body)
    assert status == 400
    assert len(answer["error"]) < 1000


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/models/photos/versions/{'9' * 5000}",
        "/v1/models/photos/versions/" + "0" * 4400,
        "/v1/models/" + "x" * 5000,
    ],
    ids=range(3),
)
def test_a_hostile_path_is_answered(address, path):
    status, _ = ask(address, "GET", path)
    assert status == 404


def test_a_hostile_length_is_answered(address):
    headers = {"Content-Length": "9" * 5000}
    status, _ = ask(address, "POST", PREDICT, b"", headers)
    assert status == 413


ANOTHER = b"GET /v1/models/photos HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        ("POST " + PREDICT, "Transfer-Encoding: chunked", b"411"),
        ("POST " + PREDICT, "Host: x", b"411"),
        (
            "POST " + PREDICT,
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            b"411",
        ),
        ("GET /v1/models/photos", f"Content-Length: {len(ANOTHER)}", b"200"),
        ("GET /v1/models/photos", "Transfer-Encoding: chunked", b"200"),
    ],
    ids=range(5),
)
def test_a_body_that_is_not_read_is_no_second_request(
    address, request_line, header, status
):
    head = f"{request_line} HTTP/1.1\r\n{header}\r\n\r\n".encode()
    answers = b""
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(head + ANOTHER)
        while piece := client.recv(65536):
            answers += piece
    assert answers.startswith(b"HTTP/1.1 " + status)
    assert answers.count(b"HTTP/1.1") == 1


def test_many_clients_at_once_are_all_answered(address):
    found = []

    def look():
        found.append(ask(address, "GET", "/v1/models/photos")[0])

    threads = [threading.Thread(target=look) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 200


def test_a_silent_client_is_let_go(address, monkeypatch):
    monkeypatch.setattr(rest_server._Handler, "timeout", 0.2)
    with socket.create_connection(address, timeout=20) as silent:
        silent.sendall(b"POST " + PREDICT.encode() + b" HTTP/1.1\r\n")
        assert silent.recv(100) == b""


def test_a_million_numbers_are_refused_or_answered_soon(address):
    numbers = np.zeros((16, 32, 32, 3)).tolist()
    body = {"signature_name": "image", "instances": numbers * 20}
    started = time.perf_counter()
    status, answer = ask(address, "POST", PREDICT, json.dumps(body).encode())
    assert status == 200
    assert len(answer["predictions"]) == 320
    assert time.perf_counter() - started < 30


def test_a_chunked_body_is_no_second_request(address):
    request = f"POST {PREDICT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = "2\r\n{}\r\n0\r\n\r\nGET /v1/models/photos HTTP/1.1\r\n\r\n"
    with socket.create_connection(address, timeout=20) as client:
        client.sendall((request + body).encode())
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 411")
    assert answer.count(b"HTTP/1.1 ") == 1
