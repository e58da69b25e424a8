"""The free photographs that scikit-image carries inside its package, as backgrounds.

Only pictures whose licence is plainly free are used; scikit-image states each in `skimage/data/_fetchers.py`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

LICENCES: dict[str, str] = {
    "astronaut": "public domain (NASA)",
    "brick": "CC0 (CC0Textures)",
    "camera": "CC0 (Lav Varshney)",
    "chelsea": "CC0 (Stefan van der Walt)",
    "clock": "public domain (Stefan van der Walt)",
    "coffee": "CC0 (Rachel Michetti)",
    "grass": "CC0 (CC0Textures)",
    "gravel": "CC0 (CC0Textures)",
    "hubble_deep_field": "public domain (NASA)",
    "retina": "CC0 (Häggström)",
    "rocket": "public domain (SpaceX)",
}
"""Function of `skimage.data` → licence. Left out for want of a plain licence: moon, motorcycle, page, ihc,
logo.
"""

WEIGHTS: dict[str, float] = {
    "astronaut": 2.0,
    "chelsea": 2.0,
    "coffee": 5.0,
    "camera": 1.5,
    "rocket": 2.0,
    "hubble_deep_field": 0.5,
    "retina": 0.5,
}
"""How often a photograph is cropped (1 where not named): pictures of rooms and things before bare
textures.
"""


@lru_cache(maxsize=1)
def load_all() -> tuple[tuple[str, Image.Image], ...]:
    """Every free photograph as (name, RGB image), in the order of `LICENCES`."""
    from skimage import data

    pictures = []
    for name in LICENCES:
        array = np.asarray(getattr(data, name)())
        pictures.append((name, Image.fromarray(array).convert("RGB")))
    return tuple(pictures)


def crop(rng: np.random.Generator, size_px: int) -> np.ndarray:
    """A random square crop of a random photograph → (size, size, 3) sRGB uint8.

    Crops cover 15–100 % of the picture's shorter side, are flipped half the time, and get a mild random
    change of exposure and of colour balance, because a dozen photographs are few.
    """
    pictures = load_all()
    weights = np.array([WEIGHTS.get(name, 1.0) for name, _ in pictures])
    image = pictures[int(rng.choice(len(pictures), p=weights / weights.sum()))][1]
    side = float(rng.uniform(0.15, 1.0)) * min(image.size)
    left, top = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
    box = (left, top, left + side, top + side)
    small = image.resize((size_px, size_px), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    pixels = np.asarray(small, dtype=np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    gain = rng.uniform(0.8, 1.2) * (1 + rng.normal(0, 0.06, 3)).astype(np.float32)
    return np.clip(pixels * gain, 0, 255).astype(np.uint8)
