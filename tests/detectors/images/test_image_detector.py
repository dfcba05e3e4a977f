"""The kind `image`, with the real model: what it finds, how sure it is of that, and what it says of what it cannot read."""

from __future__ import annotations

import pytest
from pictures_made import animation, claiming, drawing, encoded, writing
from PIL import Image

from guard.detectors.images.hashing import dhash, phash
from guard.detectors.images.image import ImageDetector, make
from guard.detectors.registry import kinds
from guard.errors import PolicyError
from guard.policy.load import loads
from guard.values import Detector, Item, Location, Role, Stage

UNREADABLE = [("image/unreadable", 1.0)]


def shown(data: bytes) -> Item:
    return Item("", Stage.OUTPUT, Role.TOOL_RESULT, Location("/a/0", 2), media=data)


@pytest.fixture(scope="module")
def detector() -> ImageDetector:
    return make("pictures", {})


def found(detector: Detector, data: bytes) -> list[tuple[str, float]]:
    [findings] = detector.detect([shown(data)])
    return [(finding.category, finding.score) for finding in findings]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF"])
def test_a_harmless_drawing_scores_low(detector, kind):
    [(category, score)] = found(detector, encoded(drawing(), kind))
    assert category == "image/nudity"
    assert 0.0 < score < 0.1


def test_writing_and_flat_colours_score_low(detector):
    for picture in (writing("Closed on Mondays"), Image.new("RGB", (1, 1)), Image.new("RGB", (400, 300), (224, 172, 105))):
        [(_, score)] = found(detector, encoded(picture))
        assert score < 0.2


def test_a_score_is_the_same_each_time_and_in_any_company(detector):
    images = [encoded(drawing(shift=step * 9)) for step in range(6)] + [encoded(drawing((2000, 200)))]
    together = detector.detect([shown(data) for data in images] + [shown(b"broken")])
    alone = [detector.detect([shown(data)])[0] for data in images]
    for one, other in zip(alone, together[:-1], strict=True):
        assert one[0].score == pytest.approx(other[0].score, abs=1e-4)
    assert detector.detect([shown(images[0])])[0] == alone[0]


def test_a_finding_says_whose_and_where(detector):
    [[finding]] = detector.detect([shown(encoded(drawing()))])
    assert (finding.detector, finding.role, finding.location, finding.span) == (
        "pictures",
        Role.TOOL_RESULT,
        Location("/a/0", 2),
        None,
    )


def test_a_long_image_is_looked_at_in_squares(detector):
    """The score of a long strip is at least that of what it shows in one of its parts."""
    part = drawing((240, 240))
    [(_, alone)] = found(detector, encoded(part))
    strip = Image.new("RGB", (240 * 5, 240), "white")
    strip.paste(part, (480, 0))
    [(_, score)] = found(detector, encoded(strip))
    assert score >= alone - 1e-3
    tall = Image.new("RGB", (240, 240 * 5), "white")
    tall.paste(part, (0, 480))
    [(_, score)] = found(detector, encoded(tall))
    assert score >= alone - 1e-3


def test_an_animation_scores_as_high_as_the_worst_frame_that_is_shown(detector):
    frames = [Image.new("RGB", (320, 240), "white"), drawing(), Image.new("RGB", (320, 240), "black")]
    scores = [found(detector, encoded(frame, "GIF"))[0][1] for frame in frames]
    [(_, score)] = found(detector, animation(frames))
    assert score == pytest.approx(max(scores), abs=0.01)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        encoded(drawing())[:600],
        claiming(30_000, 8),
        claiming(60_000, 60_000),
        b"GIF89a" + b"\0" * 99,
    ],
)
def test_what_cannot_be_read_is_said_to_be(detector, data):
    assert found(detector, data) == UNREADABLE


def test_texts_are_not_its_business(detector):
    assert detector.detect([Item("nude"), shown(b"")])[0] == []
    assert detector.detect([]) == []


def test_limits_are_the_policys():
    strict = make("pictures", {"nudity": False, "most_pixels": 320 * 240 - 1, "frames": 2})
    assert found(strict, encoded(drawing())) == UNREADABLE
    assert found(make("pictures", {"nudity": False, "most_pixels": 320 * 240}), encoded(drawing())) == []


@pytest.mark.parametrize(
    "entry", [f"{phash(drawing()):016x}", f"phash:{phash(drawing()):016X}", f"dhash:{dhash(drawing()):016x}"]
)
def test_a_denied_image_is_found_in_another_size_and_format(entry):
    detector = make("pictures", {"nudity": False, "deny_hashes": [entry]})
    assert detector.categories == ("image/denied", "image/unreadable")
    [(category, score)] = found(detector, encoded(drawing().resize((200, 150)), "JPEG", quality=60))
    assert category == "image/denied"
    assert score >= 1 - 6 / 64
    assert found(detector, encoded(writing("another"))) == []


def test_the_distance_is_the_policys():
    near = f"{phash(drawing()) ^ 0b111:016x}"
    assert found(make("p", {"nudity": False, "deny_hashes": [near], "distance": 3}), encoded(drawing()))
    assert not found(make("p", {"nudity": False, "deny_hashes": [near], "distance": 2}), encoded(drawing()))


def test_it_declares_itself(detector):
    kind = kinds()["image"]
    assert isinstance(detector, Detector)
    assert detector.needs.media == ("image/",)
    assert set(detector.categories) == set(kind.categories({}))
    detector.warm_up()


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ("deny_hashes: [xyz]", "deny_hashes"),
        ("deny_hashes_file: ./none.txt", "deny_hashes_file"),
        ("ocr: easyocr", "ocr"),
        ("frames: 0", "frames"),
        ("distance: 64", "distance"),
        ("threshold: 1", "threshold"),
    ],
)
def test_wrong_options_are_named_with_their_line(options, where):
    with pytest.raises(PolicyError) as raised:
        loads(f"version: 1\ndetectors:\n  pictures: {{use: image, {options}}}\n", kinds())
    [problem] = raised.value.problems
    assert problem.line == 3
    assert where in str(problem)
