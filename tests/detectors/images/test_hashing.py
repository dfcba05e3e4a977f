"""Perceptual hashes stay when an image is treated as people treat images, and agree with the tools that lists are made with."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from pictures_made import drawing
from PIL import Image, ImageEnhance, ImageOps

from guard.detectors.images.denied import Denied, entries, mistakes, parse
from guard.detectors.images.hashing import dhash, distance, phash


def photo(seed: int) -> Image.Image:
    """Something with the low frequencies of a photograph."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((480, 360), Image.Resampling.BICUBIC)


def reference(image: Image.Image) -> int:
    """ImageHash's `phash` (github.com/JohannesBuchner/imagehash), written with SciPy as there."""
    pixels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    low = scipy.fft.dct(scipy.fft.dct(pixels, axis=0), axis=1)[:8, :8]
    return int("".join(str(int(bit)) for bit in (low > np.median(low)).flatten()), 2)


@pytest.mark.parametrize("seed", range(5))
def test_a_hash_is_the_one_that_imagehash_gives(seed):
    assert phash(photo(seed)) == reference(photo(seed))


@pytest.mark.parametrize("hashed", [phash, dhash])
@pytest.mark.parametrize("seed", range(4))
def test_scaling_compressing_and_lightening_keep_a_hash(hashed, seed, tmp_path):
    picture = photo(seed)
    picture.save(tmp_path / "a.jpg", quality=30)
    treated = [
        picture.resize((133, 100)),
        picture.resize((960, 720)),
        ImageEnhance.Brightness(picture).enhance(1.15),
        picture.convert("L").convert("RGB"),
        Image.open(tmp_path / "a.jpg"),
    ]
    assert max((hashed(picture) ^ hashed(other)).bit_count() for other in treated) <= 6


@pytest.mark.parametrize("hashed", [phash, dhash])
def test_other_images_have_hashes_far_away(hashed):
    hashes = [hashed(photo(seed)) for seed in range(12)]
    assert min((a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]) > 12


def test_a_mirror_image_is_as_near_as_the_image():
    listed = [Denied("phash", phash(photo(1)))]
    assert distance(ImageOps.mirror(photo(1)), listed) == 0
    assert distance(photo(2), listed) > 12
    assert distance(photo(1), []) == 64


def test_a_flat_image_does_not_hash_rounding_errors():
    assert len({phash(Image.new("RGB", (size, size), (grey, grey, grey))) for size in (50, 333) for grey in (40, 90, 200)}) == 1


def test_lists_are_read_from_policy_and_file(tmp_path):
    listed = tmp_path / "denied.txt"
    listed.write_text("# ours\n\nFF00FF00FF00FF00 a name\ndhash:0123456789abcdef  # why\n")
    options = {"deny_hashes": ["phash:ff00ff00ff00ff00"], "deny_hashes_file": str(listed)}
    assert [*mistakes(options)] == []
    assert entries(options) == (Denied("phash", 0xFF00FF00FF00FF00), Denied("dhash", 0x0123456789ABCDEF))


@pytest.mark.parametrize("entry", ["", "ff", "md5:ff00ff00ff00ff00", "ff00ff00ff00ff00ff", "gg00ff00ff00ff00"])
def test_an_entry_that_is_no_hash_is_a_mistake(entry, tmp_path):
    assert parse(entry) is None
    listed = tmp_path / "denied.txt"
    listed.write_text(f"ff00ff00ff00ff00\n{entry or 'x'}\n")
    assert [mistake.path for mistake in mistakes({"deny_hashes": [entry]})] == [("deny_hashes", 0)]
    assert [mistake.got for mistake in mistakes({"deny_hashes_file": str(listed)})] == ["another word on line 2"]
    assert [mistake.got for mistake in mistakes({"deny_hashes_file": str(tmp_path / "none")})] == ["FileNotFoundError"]


def test_a_drawing_is_told_from_another():
    assert (phash(drawing()) ^ phash(drawing(shift=120))).bit_count() > 6
