"""What the server refuses: other sites, other files, what is too large."""

import io
import json

import pytest
from PIL import Image

from tlkeras import workdir
from tlkeras.demo.routes import DemoApp
from tlkeras.demo.server import make_demo_server
from tlkeras.demo.uploads import MAX_UPLOAD_BYTES, NUM_KEPT, Uploads
from tlkeras.errors import InputError


def error_of(answer):
    code, _, content = answer
    return code, json.loads(content)["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""]
)
def test_another_name_of_this_machine_is_refused(page, host):
    for method, path in (("GET", "/"), ("POST", "/api/undo")):
        code, text = error_of(page.ask(method, path, b"", Host=host))
        assert code == 403
        assert "alone" in text


def test_a_tunnel_may_end_at_another_port(page):
    assert page.ask("GET", "/", Host="localhost:9000")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": None},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_page_changes_nothing(page, run, headers):
    body = json.dumps({"digest": "x", "decision": "bad"}).encode()
    code, text = error_of(page.ask("POST", "/api/decide", body, **headers))
    assert (code, "its own requests alone" in text) == (403, True)
    assert not (run / workdir.REVIEW).exists()


def test_a_link_of_another_page_leads_to_this_one_alone(page):
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert page.ask("GET", "/", **link)[0] == 200
    assert page.ask("GET", "/api/review", **link)[0] == 403
    assert page.ask("POST", "/", b"", **link)[0] == 403


def test_another_page_reads_nothing(page):
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert page.ask("GET", "/api/review", **headers)[0] == 403


def test_no_answer_lets_another_page_in(page):
    for path in ("/", "/style.css", "/demo.js", "/api/review", "/nothing"):
        _, headers, _ = page.ask("GET", path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "unsafe" not in policy
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_images_of_the_run_are_shown_and_nothing_else(page, run, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"\xff\xd8\xff secret")
    (card, *_) = page.get("/api/review")["cards"]
    url = f"/image?digest={card['image']['digest']}"
    code, headers, content = page.ask("GET", url)
    assert (code, headers["Content-Type"]) == (200, "image/jpeg")
    assert max(Image.open(io.BytesIO(content)).size) <= 480
    for name in (
        str(tmp_path / "secret.jpg"),
        "../secret.jpg",
        "..%2Fsecret.jpg",
        "%00",
        "",
    ):
        assert page.ask("GET", f"/image?digest={name}")[0] == 404
        assert page.ask("GET", f"/{name}")[0] in (200, 404)
        code, text = error_of(page.ask("GET", f"/api/map?token={name}"))
        assert (code, "try it again" in text) == (404, True)


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/templates/page.html", "//etc/passwd"]
)
def test_paths_are_no_files(page, path):
    assert error_of(page.ask("GET", path)) == (404, "There is nothing here.")
    assert error_of(page.ask("POST", path, b"x"))[0] == 404


def test_a_body_that_is_too_large_is_not_read(page):
    for length in (str(MAX_UPLOAD_BYTES + 1), "9" * 5000):
        code, text = error_of(
            page.ask("POST", "/api/try", b"", Content_Length=length)
        )
        assert code == 413
        assert "larger than 32 MiB; expected a smaller image" in text


def test_a_body_without_a_length_is_refused(page):
    for length in (None, "-1", "x"):
        answer = page.ask("POST", "/api/try", b"", Content_Length=length)
        assert error_of(answer)[0] == 411


@pytest.mark.parametrize(
    "body", [b"", b"[", b"[]", b'{"digest": 1}', b"[" * 10**5, b"\xff"]
)
def test_junk_is_no_decision(page, run, body):
    code, text = error_of(page.ask("POST", "/api/decide", body))
    assert (code, text) == (400, "Expected a JSON object of texts.")
    assert not (run / workdir.REVIEW).exists()


def test_a_port_in_use_is_said(page):
    with pytest.raises(InputError, match=f"Port {page.port} of 127.0.0.1"):
        make_demo_server(DemoApp(None), page.port)


def test_only_the_latest_uploads_are_kept():
    uploads = Uploads()
    tokens = [uploads.keep(bytes([n])) for n in range(NUM_KEPT + 1)]
    assert len(set(tokens)) == len(tokens)
    from pathlib import Path

    assert Path(uploads.find(tokens[-1])).read_bytes() == bytes([NUM_KEPT])
    with pytest.raises(Exception, match="let go"):
        uploads.find(tokens[0])
