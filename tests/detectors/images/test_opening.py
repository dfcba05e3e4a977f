"""Images are opened within limits and shown as whoever looks at them may see them; what cannot be is unreadable."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures_made import animation, claiming, drawing, encoded
from PIL import Image

from guard.detectors.images.opening import Limits, Unreadable, format_of, pictures

LIMITS = Limits()
KINDS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_allowed_format_is_read(kind):
    [picture] = pictures(encoded(drawing(), kind), LIMITS)
    assert picture.mode == "RGB"
    assert picture.size == (320, 240)
    assert np.abs(np.asarray(picture, float) - np.asarray(drawing(), float)).mean() < 12


@pytest.mark.parametrize("kind", ["TIFF", "ICO", "PPM", "TGA", "PCX"])
def test_no_other_format_is_read(kind):
    with pytest.raises(Unreadable, match="it is no PNG"):
        pictures(encoded(drawing((64, 64)), kind), LIMITS)


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"not an image", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8\xff"]
)
def test_what_is_no_image_is_unreadable(data):
    with pytest.raises(Unreadable):
        pictures(data, LIMITS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_is_unreadable(kind):
    data = encoded(Image.effect_noise((200, 200), 80).convert("RGB"), kind)
    with pytest.raises(Unreadable):
        pictures(data[: len(data) // 2], LIMITS)


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (claiming(30_000, 10), LIMITS),
        (claiming(10, 30_000), LIMITS),
        (claiming(19_000, 19_000), LIMITS),
        (claiming(2_000_000_000, 2_000_000_000), LIMITS),
        (claiming(7_000, 7_000), LIMITS),
        (encoded(drawing()), Limits(bytes=500)),
        (encoded(drawing()), Limits(pixels=320 * 240 - 1)),
    ],
)
def test_a_size_beyond_the_limits_is_refused_before_anything_is_decoded(data, limits):
    began = time.process_time()
    with pytest.raises(Unreadable, match=r"pixels|bytes|Bomb"):
        pictures(data, limits)
    assert time.process_time() - began < 0.5


def test_thirty_thousand_pixels_are_read_where_the_policy_allows_them():
    [picture] = pictures(encoded(Image.new("RGB", (30_000, 40), "red")), Limits(side=40_000))
    assert picture.size == (30_000, 40)


def shades(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (40, 30), (index * 255 // max(count - 1, 1), 0, 0)) for index in range(count)]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_the_last_and_frames_between_are_shown(kind):
    seen = pictures(animation(shades(30), kind), Limits(shown=5))
    reds = [picture.getpixel((5, 5))[0] for picture in seen]
    assert len(reds) == 5
    assert reds[0] < 12
    assert reds[-1] > 243
    assert 100 < reds[2] < 155


def test_an_animation_with_too_many_frames_or_too_many_pixels_is_unreadable():
    data = animation(shades(30))
    with pytest.raises(Unreadable, match="30 frames"):
        pictures(data, Limits(frames=29))
    with pytest.raises(Unreadable, match="30 frames"):
        pictures(data, Limits(pixels=40 * 30))
    assert len(pictures(data, Limits(frames=30, shown=64))) == 30


def test_an_image_is_turned_as_its_exif_data_say():
    picture = drawing()
    exif = Image.Exif()
    exif[0x0112] = 6
    [seen] = pictures(encoded(picture, "JPEG", exif=exif, quality=95), LIMITS)
    assert seen.size == (240, 320)
    assert np.abs(np.asarray(seen, float) - np.asarray(picture.rotate(-90, expand=True), float)).mean() < 8


def test_what_is_transparent_is_seen_before_white_before_black_and_without_transparency():
    hidden = drawing()
    hidden.putalpha(0)
    white, black, opaque = pictures(encoded(hidden), LIMITS)
    assert white.getextrema() == ((255, 255),) * 3
    assert black.getextrema() == ((0, 0),) * 3
    assert np.array_equal(np.asarray(opaque), np.asarray(drawing()))


def test_an_image_whose_transparency_hides_nothing_is_seen_once():
    picture = drawing()
    picture.putalpha(255)
    assert len(pictures(encoded(picture), LIMITS)) == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_each_mode_of_png_is_seen_as_it_looks(mode):
    grey = Image.linear_gradient("L")
    source = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    seen = np.asarray(pictures(encoded(source), LIMITS)[0].convert("L"), float)
    assert abs(seen[:20].mean() - np.asarray(grey, float)[:20].mean()) < 10
    assert abs(seen[-20:].mean() - np.asarray(grey, float)[-20:].mean()) < 10


def test_an_image_in_inks_is_seen_as_it_looks():
    [seen] = pictures(encoded(drawing().convert("CMYK"), "JPEG", quality=95), LIMITS)
    assert np.abs(np.asarray(seen, float) - np.asarray(drawing(), float)).mean() < 12


def test_what_follows_an_image_changes_nothing():
    [seen] = pictures(encoded(drawing()) + b"PK\x03\x04 a zip archive <script>", LIMITS)
    assert np.array_equal(np.asarray(seen), np.asarray(drawing()))


@given(st.binary(max_size=24))
def test_no_beginning_tells_two_formats(data):
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"BM", b"\0\0\0 ftypavif"):
        whole = start + data
        opened = [kind for kind in KINDS if _opens(whole, kind)]
        assert opened in ([], [format_of(whole)])


def _opens(data: bytes, kind: str) -> bool:
    try:
        Image.open(io.BytesIO(data), formats=(kind,)).close()
    except Exception:
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), at=st.floats(0, 1), flips=st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_unreadable_and_nothing_else(kind, at, flips):
    data = bytearray(encoded(drawing((48, 32)), kind))
    place = min(int(at * len(data)), len(data) - len(flips))
    data[place : place + len(flips)] = flips
    try:
        seen = pictures(bytes(data), Limits(pixels=1_000_000))
    except Unreadable:
        return
    assert all(picture.mode == "RGB" for picture in seen)
