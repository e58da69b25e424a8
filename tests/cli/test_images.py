from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impasto_protocol.errors import BadImage, ImageTooLarge, SizeMismatch
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_server.cli.images import load_mask, load_picture
from PIL import Image, ImageCms

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (6, 9, 3), np.uint8)
RGBA = RNG.integers(0, 256, (6, 9, 4), np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("pixels", [RGB, RGBA], ids=["rgb", "rgba"])
def test_lossless_files_come_in_byte_for_byte(tmp_path: Path, suffix: str, pixels: np.ndarray) -> None:
    pixels = pixels.copy()
    if pixels.shape[2] == 4:
        pixels[:, :, 3] |= 1  # WebP forgets the colour of what is wholly transparent
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, lossless=True)
    picture = load_picture(path)
    assert picture.format is (PixelFormat.RGB8 if pixels.shape[2] == 3 else PixelFormat.RGBA8)
    assert np.array_equal(picture.array(), pixels)


def test_a_jpeg_comes_in_as_pillow_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB).save(path)
    assert np.array_equal(load_picture(path).array(), np.asarray(Image.open(path)))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_stay_sixteen(tmp_path: Path, suffix: str, channels: int) -> None:
    deep = RNG.integers(0, 65536, (6, 9, channels), np.uint16)
    path = tmp_path / f"deep.{suffix}"
    ordered = cv2.cvtColor(deep, cv2.COLOR_RGB2BGR if channels == 3 else cv2.COLOR_RGBA2BGRA)
    assert cv2.imwrite(str(path), ordered)
    picture = load_picture(path)
    assert picture.format is PixelFormat.RGBA16
    assert np.array_equal(picture.array()[:, :, :channels], deep)
    if channels == 3:
        assert (picture.array()[:, :, 3] == 65535).all()


def test_sixteen_bit_gray_keeps_its_steps(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (6, 9), np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    picture = load_picture(tmp_path / "deep.png")
    assert picture.format is PixelFormat.RGBA16
    assert np.array_equal(picture.array()[:, :, 1], deep)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_a_turned_photograph_stands_upright(tmp_path: Path, orientation: int, deep: bool) -> None:
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(path, exif=exif)
    expected = load_picture(path).array()
    if deep:  # the same picture with 16 bits, the orientation put in by hand
        done, data = cv2.imencode(".png", cv2.cvtColor(RGB.astype(np.uint16) * 257, cv2.COLOR_RGB2BGR))
        assert done
        body = exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
        path.write_bytes(bytes(data[:33]) + chunk + bytes(data[33:]))
        assert np.array_equal(load_picture(path).array()[:, :, :3], expected.astype(np.uint16) * 257)
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}
    assert expected.shape[:2] == ((9, 6) if orientation > 4 else (6, 9))
    assert np.array_equal(expected[0, 0], RGB[corner[orientation]])


def test_palette_gray_and_cmyk_become_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(RGB)
    image.quantize(16).save(tmp_path / "p.png")
    image.convert("L").save(tmp_path / "l.png")
    image.convert("CMYK").save(tmp_path / "c.tiff")
    image.convert("LA").save(tmp_path / "la.png")
    assert load_picture(tmp_path / "p.png").format is PixelFormat.RGB8
    assert load_picture(tmp_path / "la.png").format is PixelFormat.RGBA8
    gray = load_picture(tmp_path / "l.png").array()
    assert gray.shape == (6, 9, 3)
    assert (gray[:, :, 0] == gray[:, :, 2]).all()
    assert np.array_equal(load_picture(tmp_path / "c.tiff").array(), RGB)


def test_a_palette_with_a_transparent_colour_has_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 10, 10])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "p.png", transparency=0)
    array = load_picture(tmp_path / "p.png").array()
    assert array[0, 0, 3] == 0
    assert tuple(array[1, 1]) == (200, 10, 10, 255)


def test_an_embedded_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(load_picture(tmp_path / "a.png").array(), RGB)


def test_another_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(
        ImageCms.createProfile("LAB")
    ).tobytes()  # of other pixels than the file has
    Image.fromarray(RGB).save(tmp_path / "odd.png", icc_profile=lab)
    assert np.array_equal(load_picture(tmp_path / "odd.png").array(), RGB)
    Image.fromarray(RGB).save(tmp_path / "wide.png", icc_profile=_linear_profile())
    middle = Image.new("RGB", (2, 2), (55, 55, 55))
    middle.save(tmp_path / "middle.png", icc_profile=_linear_profile())
    # 55 / 255 of linear light is 128 in sRGB's encoding (IEC 61966-2-1).
    assert np.abs(load_picture(tmp_path / "middle.png").array().astype(int) - 128).max() <= 1


def _linear_profile() -> bytes:
    """sRGB's primaries with linear light: an ICC v2 matrix profile, made here."""
    d50 = {"wtpt": (0.9642, 1.0, 0.8249)}
    primaries = {
        "rXYZ": (0.4360747, 0.2225045, 0.0139322),
        "gXYZ": (0.3850649, 0.7168786, 0.0971045),
        "bXYZ": (0.1430804, 0.0606169, 0.7141733),
    }
    tags: list[tuple[bytes, bytes]] = []
    for name, xyz in {**d50, **primaries}.items():
        tags.append(
            (name.encode(), b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in xyz))
        )
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    text = b"linear\0"
    tags.append((b"desc", b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)))
    tags.append((b"cprt", b"text\0\0\0\0none\0"))
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags:
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


def test_a_small_file_of_a_huge_picture_is_refused_before_decoding(tmp_path: Path) -> None:
    """13300² pixels in a few bytes: the header alone is enough to refuse it."""
    header = struct.pack(">IIBBBBB", 13300, 13300, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    path = tmp_path / "bomb.png"
    idat = zlib.compress(bytes(1000))
    body = struct.pack(">I", len(idat)) + b"IDAT" + idat + struct.pack(">I", zlib.crc32(b"IDAT" + idat))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + body)
    with pytest.raises(ImageTooLarge, match="13300×13300"):
        load_picture(path)
    with pytest.raises(ImageTooLarge):
        load_mask(path, 13300, 13300)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(50)])
def test_what_is_no_picture_gets_a_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(BadImage) as caught:
        load_picture(path)
    assert str(path) in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_a_missing_file_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="no file"):
        load_picture(tmp_path / "nothing.png")


def _samples() -> list[bytes]:
    found = []
    for kind, mode in (("PNG", "RGBA"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("TIFF", "RGB")):
        buffer = io.BytesIO()
        Image.fromarray(RGBA).convert(mode).save(buffer, kind)
        found.append(buffer.getvalue())
    return found


SAMPLES = _samples()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_file_is_read_or_refused_with_a_typed_error(tmp_path: Path, data: st.DataObject) -> None:
    sample = bytearray(data.draw(st.sampled_from(SAMPLES)))
    cut = data.draw(st.integers(0, len(sample)))
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(sample) - 1), st.integers(0, 255)), max_size=6)
    ):
        sample[at] = value
    path = tmp_path / "broken"
    path.write_bytes(bytes(sample[:cut]))
    with contextlib.suppress(BadImage, ImageTooLarge):
        picture = load_picture(path)
        assert len(picture.pixels) == raster_size(picture.width, picture.height, picture.format)


# ── masks ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mask_is_its_luminance(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (6, 9), np.uint8)
    Image.fromarray(values).save(tmp_path / "gray.png")
    Image.fromarray(np.dstack([values] * 3)).save(tmp_path / "rgb.png")
    Image.fromarray(values > 127).save(tmp_path / "bits.png")
    assert np.array_equal(load_mask(tmp_path / "gray.png", 9, 6).array(), values)
    assert np.array_equal(load_mask(tmp_path / "rgb.png", 9, 6).array(), values)
    assert np.array_equal(load_mask(tmp_path / "bits.png", 9, 6).array(), (values > 127) * np.uint8(255))


def test_a_sixteen_bit_mask_is_scaled(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "m.png"), np.array([[0, 128, 32768, 65535]], np.uint16))
    assert load_mask(tmp_path / "m.png", 4, 1).array().tolist() == [[0, 0, 128, 255]]


def test_a_mask_drawn_in_alpha_is_its_alpha(tmp_path: Path) -> None:
    pixels = np.zeros((6, 9, 4), np.uint8)
    pixels[2:4, 3:6, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "m.png")
    assert np.array_equal(load_mask(tmp_path / "m.png", 9, 6).array(), pixels[:, :, 3])


def test_an_opaque_white_mask_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (9, 6), (255, 255, 255, 255)).save(tmp_path / "m.png")
    assert (load_mask(tmp_path / "m.png", 9, 6).array() == 255).all()


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.new("L", (9, 6)).save(tmp_path / "m.png")
    with pytest.raises(SizeMismatch, match="9×6 px and the picture is 6×9"):
        load_mask(tmp_path / "m.png", 6, 9)
