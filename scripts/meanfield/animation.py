"""Animated GIFs: small, the same bits on every run, and with their origin like all results."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from meanfield.store import stamp
from meanfield.whole_file import whole_file

Pixels = NDArray[np.uint8]

COLOURS = 64
"""Size of the palette, one for all frames: ample for lines and text, and half the bytes of 256."""

ALMOST_WHITE = 248
"""Value of all three channels from which on a colour of the palette becomes white."""

SAMPLED = 6
"""Frames from which the palette is taken, spread evenly."""

LAST_FRAME = 1.5
"""Seconds for which the last frame stays before the film begins again."""


class Canvas:
    """Draws the frames of a film: what stands still is drawn once, the rest on top of it.

    Args:
        figure: the figure, with all that stands still.
        moving: artists that change from frame to frame, in the order in which they are drawn.
        dpi: dots per inch.
    """

    def __init__(self, figure: Figure, moving: Iterable[Artist], dpi: int = 110) -> None:
        figure.set_dpi(dpi)
        self._canvas = FigureCanvasAgg(figure)
        self._moving = list(moving)
        for artist in self._moving:
            artist.set_animated(True)
        self._canvas.draw()
        figure.set_layout_engine("none")  # the layout stays as it is
        self._still = self._canvas.copy_from_bbox(figure.bbox)

    def frame(self) -> Pixels:
        """Return the picture as it is now, shape (height, width, 3)."""
        self._canvas.restore_region(self._still)
        renderer = self._canvas.get_renderer()
        for artist in self._moving:
            artist.draw(renderer)
        return np.array(self._canvas.buffer_rgba())[..., :3]


def save_gif(
    frames: list[Pixels], path: str | Path, *, rate: float, digest: str, alt_text: str
) -> None:
    """Write frames as an animated GIF that repeats for ever, with origin and alternative text.

    Args:
        frames: pictures of one shape (height, width, 3).
        path: where the film goes.
        rate: frames a second; GIF rounds their duration to a hundredth of a second.
        digest: digest of all that the film was made from.
        alt_text: the film in words.

    Raises:
        ValueError: there is no frame, or they differ in shape.
    """
    shapes = {frame.shape for frame in frames}
    if len(shapes) != 1:
        raise ValueError(f"a film needs frames of one shape, got {sorted(shapes)}")
    sampled = np.linspace(0, len(frames) - 1, min(SAMPLED, len(frames))).round().astype(int)
    montage = np.concatenate([frames[index] for index in sampled])
    palette = _with_white(Image.fromarray(montage).quantize(COLOURS))
    # Without dithering: it would change pixels that stand still, and these cost no bytes.
    images = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    durations = [10 * round(100 / rate)] * len(images)
    durations[-1] = int(1000 * LAST_FRAME)
    # The stamp comes first: GIF cuts comments into pieces of 255 bytes.
    comment = f"{stamp(digest)}\n{alt_text}".encode()
    with whole_file(path) as partial:
        images[0].save(
            partial,
            save_all=True,
            append_images=images[1:],
            duration=durations,
            loop=0,
            comment=comment,
            optimize=False,
        )


def _with_white(palette: Image.Image) -> Image.Image:
    """Return a palette whose almost white colours are white: the paper must not have a tint."""
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[(colours >= ALMOST_WHITE).all(axis=1)] = 255
    palette.putpalette(colours.ravel().tolist())
    return palette
