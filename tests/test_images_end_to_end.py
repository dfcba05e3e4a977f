"""OpenAI's own client, images in both directions, and real detectors of images in between."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest
from pictures_made import animation, claiming, data_url, drawing, encoded, writing
from PIL import Image
from servers import Upstream, chunk, completion, served

from guard.app import GuardApp
from guard.detectors.images.hashing import phash
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.policy.load import loads
from guard.ports import RecentDecisions
from guard.proxy import Proxy, Timeouts

DENIED = drawing()
FINE = writing("Closed on Mondays")
POLICY = """
version: 1
name: images
detectors:
  pictures: {{use: image, nudity: {nudity}, deny_hashes: ["{denied:016x}"], runtime: {{timeout: 30}}}}
  words: {{use: patterns, words: [forbidden], category: custom/word}}
rules:
  - {{id: no-denied, on: [input, output], detect: pictures, category: image/denied, action: block, message: Not this image.}}
  - {{id: no-unreadable, on: [input, output], detect: pictures, category: image/unreadable, action: block}}
  - {{id: no-word, on: [input, output], detect: words, category: custom/word, action: block}}
  {more}
{routes}
"""


def images_guard(more: str = "", routes: str = "", *, nudity: bool = False) -> Guard:
    text = POLICY.format(denied=phash(DENIED), nudity=str(nudity).lower(), more=more, routes=routes)
    return Guard(loads(text, kinds()))


@pytest.fixture(scope="module")
def judging() -> Guard:
    return images_guard()


@contextmanager
def guarded(upstream: Any, guard: Guard) -> Iterator[str]:
    with served(upstream) as address:
        app = GuardApp(guard, Proxy(address, timeouts=Timeouts(2, 5)), RecentDecisions())
        with served(app) as front:
            yield front


@contextmanager
def client_of(upstream: Any, guard: Guard) -> Iterator[openai.OpenAI]:
    with guarded(upstream, guard) as front, openai.OpenAI(base_url=f"{front}/v1", api_key="k", max_retries=0) as client:
        yield client


def look(client: openai.OpenAI, *urls: str, **more: Any) -> Any:
    parts = [{"type": "text", "text": "What is this?"}, *({"type": "image_url", "image_url": {"url": url}} for url in urls)]
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": parts}], **more)


def chatting() -> Upstream:
    return Upstream([json.dumps(completion("A sign.")).encode()])


def test_a_fine_image_reaches_the_upstream_and_a_denied_one_does_not(judging):
    upstream = chatting()
    with client_of(upstream, judging) as client:
        assert look(client, data_url(encoded(FINE))).choices[0].message.content == "A sign."
        refused = look(client, data_url(encoded(FINE)), data_url(encoded(DENIED, "JPEG"), "image/jpeg"))
    assert refused.choices[0].message.refusal == "Not this image."
    assert refused.choices[0].finish_reason == "content_filter"
    assert len(upstream.seen) == 1


BAD = {
    "not an image": data_url(b"hello there, this is no image at all"),
    "a page": data_url(b"<html><script>alert(1)</script></html>", "text/html"),
    "an svg": data_url(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "image/svg+xml"),
    "broken base64": data_url(encoded(FINE))[:-7] + "!",
    "cut off": data_url(encoded(FINE)[:200]),
    "a bomb": data_url(claiming(60_000, 60_000)),
    "30,000 pixels wide": data_url(claiming(30_000, 30)),
    "too many frames": data_url(animation([Image.new("RGB", (8, 8), (index % 256, index // 2, 0)) for index in range(501)])),
    "empty": "data:image/png;base64,",
}


@pytest.mark.parametrize("what", BAD)
def test_an_image_that_cannot_be_read_is_blocked(judging, what):
    upstream = chatting()
    with client_of(upstream, judging) as client:
        assert look(client, BAD[what]).choices[0].finish_reason == "content_filter"
    assert upstream.seen == []


def test_a_wrong_mime_type_hides_nothing(judging):
    upstream = chatting()
    with client_of(upstream, judging) as client:
        for declared in ("image/gif", "text/plain", "application/pdf", "audio/wav"):
            answer = look(client, data_url(encoded(DENIED), declared))
            assert answer.choices[0].finish_reason == "content_filter", declared
        assert look(client, data_url(encoded(FINE), "image/gif")).choices[0].finish_reason == "stop"
    assert len(upstream.seen) == 1


def test_the_frames_of_an_animation_are_looked_at(judging):
    frames = [Image.new("RGB", DENIED.size, shade) for shade in ("white", "grey", "black")]
    with client_of(chatting(), judging) as client:
        assert look(client, data_url(animation(frames))).choices[0].finish_reason == "stop"
        assert look(client, data_url(animation([*frames, DENIED]))).choices[0].finish_reason == "content_filter"


def scored(guard: Guard, picture: Image.Image) -> float:
    findings = guard.check_image_sync(encoded(picture)).findings
    return next(finding.score for finding in findings if finding.category == "image/nudity")


def test_a_score_over_the_threshold_blocks():
    rule = "- {{id: no-nudity, on: input, detect: pictures, category: image/nudity, threshold: {:.9f}, action: {}}}"
    flat = Image.new("RGB", (300, 300), (224, 172, 105))
    flagging = images_guard(rule.format(1e-6, "flag"), nudity=True)
    lower, higher = sorted((FINE, flat), key=lambda picture: scored(flagging, picture))
    threshold = (scored(flagging, lower) + scored(flagging, higher)) / 2
    with client_of(chatting(), images_guard(rule.format(threshold, "block"), nudity=True)) as client:
        assert look(client, data_url(encoded(lower))).choices[0].finish_reason == "stop"
        assert look(client, data_url(encoded(higher))).choices[0].finish_reason == "content_filter"


def test_a_rule_that_would_redact_an_image_blocks_it():
    guard = images_guard("- {id: hide, on: input, detect: pictures, category: image/denied, action: redact}")
    upstream = chatting()
    with client_of(upstream, guard) as client:
        assert look(client, data_url(encoded(DENIED))).choices[0].finish_reason == "content_filter"
    assert upstream.seen == []


def test_what_nobody_can_judge_is_rejected_with_place_and_way_out(judging):
    upstream = chatting()
    sound = {"type": "input_audio", "input_audio": {"data": base64.b64encode(bytes(400)).decode(), "format": "wav"}}
    with client_of(upstream, judging) as client:
        with pytest.raises(openai.BadRequestError) as remote:
            look(client, "https://pictures.example/a.png")
        with pytest.raises(openai.BadRequestError) as heard:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": [sound]}])  # type: ignore[typeddict-item]
    assert "messages[0].content[1].image_url.url: only the address of this image was sent" in str(remote.value)
    assert "routes.media" in str(remote.value)
    assert "messages[0].content[0].input_audio.data: no detector of this policy judges this sound" in str(heard.value)
    assert remote.value.code == "media_not_judged"
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("routes", "remote", "fine"),
    [("routes: {media: pass}", True, True), ("routes: {media: reject}", False, False), ("routes: {media: judge}", False, True)],
)
def test_the_policy_says_what_may_pass(routes, remote, fine):
    guard = images_guard(routes=routes)
    with client_of(chatting(), guard) as client:
        for url, passes in (("https://pictures.example/a.png", remote), (data_url(encoded(FINE)), fine)):
            if passes:
                assert look(client, url).choices[0].finish_reason == "stop"
            else:
                with pytest.raises(openai.BadRequestError):
                    look(client, url)
        if fine:
            assert look(client, data_url(encoded(DENIED))).choices[0].finish_reason == "content_filter"


def test_without_a_detector_of_images_they_pass_as_they_are(guard):
    upstream = chatting()
    with client_of(upstream, guard) as client:
        look(client, "https://pictures.example/a.png", data_url(b"whatever"))
    assert len(upstream.seen) == 1


def painted(*pictures: bytes, **more: Any) -> Upstream:
    data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
    return Upstream([json.dumps({"created": 1, "data": [*data, *more.get("beside", ())]}).encode()])


def test_generated_images_are_judged(judging):
    upstream = painted(encoded(FINE))
    with client_of(upstream, judging) as client:
        answer = client.images.generate(model="i", prompt="A sign", response_format="b64_json")
    assert Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))).size == FINE.size
    with client_of(painted(encoded(FINE), encoded(DENIED)), judging) as client, pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="i", prompt="A sign", n=2)
    assert refused.value.code == "content_filter"
    assert "Not this image." in str(refused.value)


def test_the_prompt_of_an_image_and_what_became_of_it_are_judged(judging):
    upstream = painted(encoded(FINE))
    with client_of(upstream, judging) as client, pytest.raises(openai.BadRequestError):
        client.images.generate(model="i", prompt="Something forbidden")
    assert upstream.seen == []
    told = painted(beside=[{"b64_json": base64.b64encode(encoded(FINE)).decode(), "revised_prompt": "forbidden"}])
    with client_of(told, judging) as client, pytest.raises(openai.BadRequestError):
        client.images.generate(model="i", prompt="Something")


def test_a_generated_image_of_which_only_the_address_comes_is_not_passed_on(judging):
    upstream = painted(beside=[{"url": "https://pictures.example/a.png"}])
    with client_of(upstream, judging) as client, pytest.raises(openai.InternalServerError) as refused:
        client.images.generate(model="i", prompt="A sign")
    assert refused.value.status_code == 502
    assert "data[0].url: only the address of this image was sent" in str(refused.value)


def test_uploaded_images_are_judged_and_uploads_go_on_in_their_own_bytes(judging):
    upstream = painted(encoded(FINE))
    with guarded(upstream, judging) as front, openai.OpenAI(base_url=f"{front}/v1", api_key="k", max_retries=0) as client:
        client.images.edit(model="i", prompt="Paint it red", image=("sign.png", encoded(FINE), "image/png"))
        with pytest.raises(openai.BadRequestError):
            client.images.edit(model="i", prompt="Paint it red", image=("house.png", encoded(DENIED), "image/png"))
        with pytest.raises(openai.BadRequestError):
            client.images.edit(model="i", prompt="Something forbidden", image=("sign.png", encoded(FINE), "image/png"))
        varied = httpx.post(f"{front}/v1/images/variations", files={"image": ("sign.png", encoded(FINE), "image/png")})
        broken = httpx.post(f"{front}/v1/images/variations", data={"prompt": "no image"})
    assert varied.status_code == 200
    assert broken.status_code == 415
    assert len(upstream.seen) == 2
    assert encoded(FINE) in upstream.seen[0]
    assert upstream.seen_headers[0]["content-type"].startswith("multipart/form-data; boundary=")


def test_an_image_in_a_streamed_answer_ends_it_where_images_are_judged(judging, guard):
    image = {"role": "assistant", "content": "Here:", "images": [{"image_url": {"url": data_url(encoded(FINE))}}]}
    events = [chunk(image), chunk({"content": " done."}), chunk({}, "stop"), b"data: [DONE]\n\n"]
    upstream = Upstream(events, content_type="text/event-stream")
    with client_of(upstream, judging) as client, pytest.raises(openai.APIError, match="cannot be judged while it streams"):
        [*look(client, stream=True)]
    with client_of(Upstream(events, content_type="text/event-stream"), guard) as client:
        text = "".join(event.choices[0].delta.content or "" for event in look(client, stream=True))
    assert text == "Here: done."


def test_a_body_that_is_an_image_is_judged_whole():
    routes = "routes: {mapped: [{path: /paint, input: prompt, output: [], media: $}]}"
    guard = images_guard(routes=routes)
    for picture, status in ((FINE, 200), (DENIED, 400)):
        with guarded(Upstream([encoded(picture)], content_type="image/png"), guard) as front:
            answer = httpx.post(f"{front}/paint", json={"prompt": "A sign"})
            assert answer.status_code == status
            assert (answer.content == encoded(picture)) is (status == 200)
            sent = httpx.post(f"{front}/paint", content=encoded(DENIED), headers={"content-type": "image/png"})
            assert sent.status_code == 400
            assert "Not this image." in sent.text


def test_no_finding_holds_anything_of_an_image(judging):
    with guarded(chatting(), judging) as front:
        url = data_url(encoded(DENIED))
        body = {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
        answer = httpx.post(f"{front}/v1/chat/completions", json=body)
        assert answer.headers["x-guard-action"] == "block"
        assert url[40:80] not in answer.text
