"""The vocabulary of Pocket: colours, shapes, places and the names captions give them.

Colours are sRGB in 0–1. They were spread so that the nearest two differ by more than the jitter a scene puts
on them, which is what lets the judge tell them apart on any true render.
"""

from __future__ import annotations

RGB = tuple[float, float, float]

COLOURS: dict[str, RGB] = {
    "red": (0.86, 0.12, 0.12),
    "orange": (0.96, 0.53, 0.08),
    "yellow": (0.97, 0.88, 0.15),
    "green": (0.14, 0.62, 0.20),
    "teal": (0.08, 0.68, 0.68),
    "blue": (0.13, 0.27, 0.82),
    "purple": (0.50, 0.16, 0.66),
    "pink": (0.96, 0.52, 0.74),
    "brown": (0.45, 0.26, 0.11),
    "black": (0.06, 0.06, 0.07),
    "white": (0.96, 0.96, 0.95),
    "gray": (0.52, 0.53, 0.54),
}
"""Twelve colours, of objects and of plain backgrounds alike."""

SPELLINGS: dict[str, tuple[str, ...]] = {"gray": ("gray", "grey")}
"""Colours that people spell in more than one way."""

SHAPES: tuple[str, ...] = (
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "diamond",
    "hexagon",
    "ring",
    "cross",
    "crescent",
    "arrow",
    "drop",
)
"""Twelve flat shapes. `ball` (a shaded sphere with a shadow) is a thirteenth noun; its outline is a
circle.
"""

OBJECTS: tuple[str, ...] = (*SHAPES, "ball")

SHAPE_WEIGHTS: dict[str, float] = {
    "square": 1.8,
    "hexagon": 1.8,
    "circle": 1.4,
    "ring": 1.4,
    "cross": 1.4,
    "star": 1.4,
}
"""How often a shape is drawn (1 where not named): those whose outline is hard to keep straight or round
more often.
"""

SHAPE_NAMES: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "circle", "circle", "disc", "dot"),
    "ring": ("ring", "ring", "donut"),
    "cross": ("cross", "cross", "plus"),
    "ball": ("ball", "ball", "sphere"),
}
"""Other nouns for a shape, the first ones more often."""

SIZES: dict[str, tuple[float, float]] = {"small": (0.2, 0.3), "medium": (0.36, 0.5), "large": (0.58, 0.8)}
"""Size words and the range of the object's bounding diameter, as a part of the picture's side."""

SIZE_NAMES: dict[str, tuple[str, ...]] = {
    "small": ("small", "small", "little", "tiny"),
    "medium": ("medium",),
    "large": ("large", "big", "huge"),
}

PLACES: dict[str, tuple[float, float]] = {
    "in the top left": (0.27, 0.27),
    "at the top": (0.5, 0.25),
    "in the top right": (0.73, 0.27),
    "on the left": (0.25, 0.5),
    "in the center": (0.5, 0.5),
    "on the right": (0.75, 0.5),
    "in the bottom left": (0.27, 0.73),
    "at the bottom": (0.5, 0.75),
    "in the bottom right": (0.73, 0.73),
}
"""Places a caption may name, as the object's centre (x right, y down, unit square)."""

RELATIONS: tuple[str, ...] = ("and", "left", "right", "above", "below")

GROUNDS: tuple[str, ...] = ("sea", "hills", "field", "desert", "snow")
TIMES: tuple[str, ...] = ("day", "sunset", "night")
EXTRAS: tuple[str, ...] = ("sun", "moon", "stars", "clouds", "mountains", "house", "boat", "tree")

MATERIALS: tuple[str, ...] = ("wood", "brick", "stone", "grass", "metal", "water")
"""What a surface is made of: the whole picture, the ground behind an object, or an object's own skin."""

MATERIAL_NAMES: dict[str, tuple[str, ...]] = {
    "wood": ("wood", "wood texture", "wooden planks", "a wooden surface"),
    "brick": ("brick", "a brick wall", "brick texture", "bricks"),
    "stone": ("stone", "a stone wall", "stone texture", "a stone surface"),
    "grass": ("grass", "a lawn", "grass texture", "green grass"),
    "metal": ("metal", "a metal surface", "metal texture", "brushed metal"),
    "water": ("water", "water texture", "a water surface", "rippling water"),
}
"""How a caption may name the whole picture's material."""

MADE_OF: dict[str, str] = {"wood": "wooden", "brick": "brick", "stone": "stone", "metal": "metal"}
"""Materials an object is made of, as the adjective before its noun."""

SURFACES: tuple[str, ...] = ("plain", "gradient", "texture", "photograph", "landscape", "material")
"""What lies behind the objects of a scene."""

ICONS: dict[str, str] = {
    "airplane": "airplane",
    "anchor": "anchor",
    "apple": "red-apple",
    "backpack": "backpack",
    "balloon": "balloon",
    "banana": "banana",
    "basketball": "basketball",
    "bed": "bed",
    "bee": "honeybee",
    "bell": "bell",
    "bicycle": "bicycle",
    "bird": "bird",
    "book": "closed-book",
    "bread": "bread",
    "bus": "bus",
    "butterfly": "butterfly",
    "cactus": "cactus",
    "cake": "birthday-cake",
    "camera": "camera",
    "candle": "candle",
    "car": "automobile",
    "carrot": "carrot",
    "castle": "castle",
    "cat": "cat",
    "chair": "chair",
    "cheese": "cheese-wedge",
    "cherries": "cherries",
    "chicken": "rooster",
    "cookie": "cookie",
    "corn": "ear-of-corn",
    "cow": "cow",
    "crab": "crab",
    "crown": "crown",
    "dog": "dog",
    "dolphin": "dolphin",
    "door": "door",
    "dress": "dress",
    "drum": "drum",
    "duck": "duck",
    "egg": "egg",
    "elephant": "elephant",
    "eye": "eye",
    "fire": "fire",
    "fish": "fish",
    "flower": "tulip",
    "frog": "frog",
    "gear": "gear",
    "ghost": "ghost",
    "gift": "wrapped-gift",
    "glasses": "glasses",
    "grapes": "grapes",
    "guitar": "guitar",
    "hamburger": "hamburger",
    "hammer": "hammer",
    "hat": "top-hat",
    "helicopter": "helicopter",
    "horse": "horse",
    "key": "key",
    "kite": "kite",
    "ladder": "ladder",
    "leaf": "maple-leaf",
    "lemon": "lemon",
    "lion": "lion",
    "magnet": "magnet",
    "mouse": "mouse",
    "mushroom": "mushroom",
    "octopus": "octopus",
    "owl": "owl",
    "pear": "pear",
    "pencil": "pencil",
    "penguin": "penguin",
    "phone": "mobile-phone",
    "pig": "pig",
    "pineapple": "pineapple",
    "pizza": "pizza",
    "pumpkin": "jack-o-lantern",
    "rabbit": "rabbit",
    "rainbow": "rainbow",
    "robot": "robot",
    "rocket": "rocket",
    "rose": "rose",
    "scissors": "scissors",
    "shirt": "t-shirt",
    "shoe": "running-shoe",
    "snail": "snail",
    "snake": "snake",
    "snowman": "snowman-without-snow",
    "spider": "spider",
    "strawberry": "strawberry",
    "sunflower": "sunflower",
    "teapot": "teapot",
    "tent": "tent",
    "tiger": "tiger",
    "tomato": "tomato",
    "train": "locomotive",
    "trophy": "trophy",
    "truck": "delivery-truck",
    "turtle": "turtle",
    "watermelon": "watermelon",
    "whale": "spouting-whale",
}
"""Everyday objects by name → the icon's name in every one of `icons.SETS`."""


def is_held_out(colour: str, shape: str, background: str) -> bool:
    """One ninth of the colour × shape × background combinations is never trained, to test that words
    combine.
    """
    names = list(COLOURS)
    if colour not in COLOURS or shape not in SHAPES or background not in COLOURS:
        return False
    return (names.index(colour) + 2 * SHAPES.index(shape) + 5 * names.index(background)) % 9 == 0
