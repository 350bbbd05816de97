"""Whole-body FDG phantoms: random torsos and heads with organs, lesions and real tumour crops.

Uptakes follow the ranges reported for FDG in SUVbw (Wang et al., J. Nucl. Med. 48 supplement, 2007;
Paquet et al., J. Nucl. Med. 45, 2004): liver 1.5 to 3, blood 1 to 2.2, brain 5 to 12, marrow 0.8 to
2, muscle 0.4 to 1, lung 0.3 to 0.7, fat 0.2 to 0.5; kidneys and bladder anything up to 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

TEST_PATIENTS = ("STS_001", "STS_019")
"""Patients of the test data, whose crops are never used."""


@dataclass
class Phantom:
    """suv [S, S]; body and reference [S, S] bool: attenuating pixels, a region of even uptake."""

    suv: np.ndarray
    body: np.ndarray
    reference: np.ndarray
    pixel_mm: float


def tumour_crops(file: Path) -> list[np.ndarray]:
    """Every third slice [h, w] in SUV of the tumour crops, without patients of the test data."""
    crops = []
    with np.load(file) as pack:
        patients = [k for k in pack.files if not k.endswith("_slope_intercept")]
        for patient in sorted(set(patients) - set(TEST_PATIENTS)):
            slope, intercept = pack[f"{patient}_slope_intercept"].T[..., None, None]
            suv = pack[patient] * slope + intercept
            crops += [s.astype(np.float32).clip(0) for s in suv[1::3] if min(s.shape) >= 12]
    return crops


class Bodies:
    """Draws phantoms on grids of ``size`` pixels."""

    def __init__(self, crops: list[np.ndarray], size: int, seed: int):
        self.crops = crops
        self.size = size
        self.rng = np.random.default_rng(seed)

    def draw(self) -> Phantom:
        """A head in one draw of eight, else a chest, an abdomen or a pelvis."""
        rng = self.rng
        self.pixel = float(rng.uniform(3.1, 5.5))
        axis = (np.arange(self.size) - (self.size - 1) / 2) * self.pixel
        self.y, self.x = axis[:, None], axis[None]
        kind = rng.choice(["head", "chest", "abdomen", "pelvis"], p=[0.125, 0.3, 0.375, 0.2])
        suv, body, reference = getattr(self, f"_{kind}")()
        for _ in range(rng.poisson(3)):
            self._lesion(suv, body)
        if self.crops and rng.random() < 0.5:
            self._paste(suv, body)
        # Uptake is uneven everywhere: muscle, bowel and marrow vary by a fifth over a few pixels.
        for scale, depth in ((6, 0.2), (3, 0.25), (1.5, 0.25)):
            texture = gaussian_filter(rng.standard_normal(suv.shape), scale)
            suv *= np.exp(depth * rng.random() * texture / texture.std())
        # Reconstructions that model the detectors' blur show points a pixel or two wide.
        sigma = np.exp(rng.uniform(np.log(3.0), np.log(9.0))) / 2.3548
        suv = gaussian_filter(suv, sigma / self.pixel).astype(np.float32)
        for _ in range(rng.poisson(7)):
            self._point(suv, body, sigma)
        return Phantom(suv.clip(0), body, reference & body, self.pixel)

    def _ellipse(self, x: float, y: float, a: float, b: float, turn: float = 0.0) -> np.ndarray:
        c, s = np.cos(turn), np.sin(turn)
        dx, dy = self.x - x, self.y - y
        return ((c * dx + s * dy) / a) ** 2 + ((c * dy - s * dx) / b) ** 2 < 1

    def _organ(self, x: float, y: float, a: float, b: float) -> np.ndarray:
        """An ellipse of about the given place and size, with a slightly uneven outline."""
        rng = self.rng
        x, y = x + rng.normal(0, 8), y + rng.normal(0, 8)
        a, b = a * rng.uniform(0.75, 1.25), b * rng.uniform(0.75, 1.25)
        main = self._ellipse(x, y, a, b, rng.uniform(-0.6, 0.6))
        side = self._ellipse(
            x + a * rng.uniform(-0.5, 0.5), y + b * rng.uniform(-0.5, 0.5), 0.7 * a, 0.7 * b
        )
        return main | side

    def _torso(self) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        a, b = rng.uniform(130, 215), rng.uniform(90, 145)
        body = self._ellipse(0, 0, a, b)
        suv = np.where(body, rng.uniform(0.2, 0.5), 0.01)
        inner = self._ellipse(0, 0, a - rng.uniform(8, 35), b - rng.uniform(8, 30))
        suv[inner] = rng.uniform(0.45, 1.0)
        self.a, self.b = a, b
        spine = self._organ(0, 0.55 * b, 24, 20)
        suv[spine] = rng.uniform(0.8, 2.0)
        if rng.random() < 0.5:
            for side in (-1, 1):
                arm = self._ellipse(side * (a + 45), rng.normal(0, 20), 38, 42)
                body |= arm
                suv[arm] = rng.uniform(0.3, 0.8)
        return suv, body

    def _chest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = self.rng
        suv, body = self._torso()
        middle = self._organ(0, 0, 45, 0.6 * self.b)
        for side in (-1, 1):
            suv[self._organ(side * 0.48 * self.a, 0, 0.32 * self.a, 0.62 * self.b)] = rng.uniform(
                0.3, 0.7
            )
        suv[middle] = rng.uniform(1.0, 2.0)
        if rng.random() < 0.6:
            x, y, r = rng.normal(40, 12), rng.normal(-20, 12), rng.uniform(30, 45)
            suv[self._ellipse(x, y, r, 0.85 * r)] = rng.uniform(1.2, 10.0)
            suv[self._ellipse(x, y, 0.65 * r, 0.5 * r)] = rng.uniform(1.2, 2.2)
        return suv, body, middle

    def _abdomen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = self.rng
        suv, body = self._torso()
        liver = self._organ(-0.45 * self.a, -0.1 * self.b, 0.42 * self.a, 0.6 * self.b)
        suv[self._organ(0.55 * self.a, 0.2 * self.b, 32, 42)] = rng.uniform(1.2, 2.4)
        for _ in range(rng.integers(0, 9)):
            place = rng.uniform(-0.6, 0.6, 2) * (self.a, self.b)
            suv[self._organ(*place, rng.uniform(8, 28), rng.uniform(8, 20))] = rng.uniform(0.6, 6.0)
        suv[liver] = rng.uniform(1.5, 3.0)
        for side in (-1, 1):
            if rng.random() < 0.7:
                kidney = self._organ(side * 0.45 * self.a, 0.45 * self.b, 20, 28)
                suv[kidney] = rng.uniform(1.5, 4.0)
                suv[self._organ(side * 0.42 * self.a, 0.45 * self.b, 9, 12)] = rng.uniform(2, 20)
        return suv, body, liver

    def _pelvis(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = self.rng
        suv, body = self._torso()
        muscle = self._organ(0, 0.3 * self.b, 0.6 * self.a, 0.35 * self.b)
        suv[muscle] = rng.uniform(0.6, 1.1)
        for side in (-1, 1):
            suv[self._organ(side * 0.5 * self.a, 0.2 * self.b, 30, 25)] = rng.uniform(0.7, 1.6)
        if rng.random() < 0.7:
            r = rng.uniform(15, 45)
            suv[self._organ(0, -0.3 * self.b, r, 0.8 * r)] = rng.uniform(3, 25)
        return suv, body, muscle

    def _head(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = self.rng
        a, b = rng.uniform(68, 82), rng.uniform(85, 105)
        body = self._ellipse(0, 0, a, b)
        suv = np.where(body, rng.uniform(0.4, 1.0), 0.01)
        brain = self._ellipse(0, 0, a - 9, b - 9)
        grey, white = rng.uniform(5, 12), rng.uniform(2, 4)
        folds = gaussian_filter(rng.standard_normal(suv.shape), 8 / self.pixel)
        rim = ~self._ellipse(0, 0, a - 26, b - 26)
        suv[brain] = np.where(rim | (folds > 0.4 * folds.std()), grey, white)[brain]
        for side in (-1, 1):
            suv[self._ellipse(side * 12, 0, 8, 18)] = rng.uniform(0.6, 2.0)
            suv[self._ellipse(side * 25, -10, 10, 14)] = grey * rng.uniform(0.9, 1.2)
        return suv, body, brain

    def _inside(self, body: np.ndarray) -> tuple[int, int]:
        rows, columns = np.nonzero(body)
        i = self.rng.integers(len(rows))
        return int(rows[i]), int(columns[i])

    def _lesion(self, suv: np.ndarray, body: np.ndarray) -> None:
        rng = self.rng
        row, column = self._inside(body)
        x, y = float(self.x[0, column]), float(self.y[row, 0])
        r = np.exp(rng.uniform(np.log(3.5), np.log(20)))
        spot = self._ellipse(x, y, r, r * rng.uniform(0.7, 1.0), rng.uniform(0, np.pi)) & body
        suv[spot] = np.maximum(suv[spot], np.exp(rng.uniform(np.log(1.5), np.log(14))))

    def _point(self, suv: np.ndarray, body: np.ndarray, sigma: float) -> None:
        """A node, a vessel or a ureter no wider than the scanner's resolution."""
        rng = self.rng
        row, column = self._inside(body)
        x, y = self.x[0, column] + rng.uniform(-2, 2), self.y[row, 0] + rng.uniform(-2, 2)
        turn = rng.uniform(0, np.pi)
        c, s = np.cos(turn), np.sin(turn)
        dx, dy = self.x - x, self.y - y
        longer = sigma * np.exp(rng.exponential(0.4))
        shape = ((c * dx + s * dy) / longer) ** 2 + ((c * dy - s * dx) / sigma) ** 2
        suv += (np.exp(rng.uniform(np.log(1), np.log(12))) * np.exp(-shape / 2)).astype(np.float32)

    def _paste(self, suv: np.ndarray, body: np.ndarray) -> None:
        """Pastes a real tumour where it is brighter than what is there."""
        rng = self.rng
        crop = self.crops[rng.integers(len(self.crops))]
        crop = np.rot90(crop, rng.integers(4))
        crop = zoom(crop, rng.uniform(0.7, 1.4), order=1)
        row, column = self._inside(body)
        h, w = min(crop.shape[0], suv.shape[0] - row), min(crop.shape[1], suv.shape[1] - column)
        part = suv[row : row + h, column : column + w]
        np.maximum(part, crop[:h, :w], out=part, where=body[row : row + h, column : column + w])
