"""The configuration of an ArtIR network: the variant and the paper's ablations."""

from __future__ import annotations

from dataclasses import dataclass

CHOICES = {
    "mixer": ("lkfm", "sma", "conv", "depthwise", "decomposed", "frequency"),
    "collapse": ("mean", "max", "max_avg", "last"),
    "attention": ("light", "full", "none"),
    "expansion": ("copy", "conv"),
    "kernel": ("dynamic", "static"),
    "base": ("sma", "conv"),
}

# Depths [L1, L2, L3, L4] and width C of the paper's three sizes (its Table 15).
VARIANTS = {
    "T": ((1, 1, 1, 4), 32),
    "S": ((2, 3, 4, 4), 32),
    "B": ((3, 3, 6, 4), 48),
}


@dataclass(frozen=True)
class Config:
    """One ArtIR network. The result of ``dataclasses.asdict``, passed as keywords, restores it.

    The fields after ``in_channels`` are the paper's network by default and its ablations otherwise.
    """

    depths: tuple[int, int, int, int]
    """Blocks at levels 1, 2 and 3 (each in the encoder and in the decoder), and in refinement."""
    width: int
    """Channels C at full resolution; level 2 has 2C, level 3 has 4C."""
    in_channels: int = 3
    """Channels of the image, in and out: 3 for RGB, 1 for CT and PET."""
    segments: int = 4
    """N, the segments of the large-kernel feature mixer: N - 1 large kernels in a cascade."""
    largest_kernel: int = 63
    """K of the last large kernel; each earlier one has half of it, rounded down."""
    mixer: str = "lkfm"
    """Spatial mixer of the blocks at level 3."""
    collapse: str = "mean"
    """How the large kernel's channels become one map."""
    attention: str = "light"
    """Channel weights of the large kernel: from the collapsed map, from all channels, or none."""
    expansion: str = "copy"
    """How the cascade doubles its channels: every channel twice, or a 1x1 convolution."""
    kernel: str = "dynamic"
    """A K x K kernel made for each pixel, or one kernel for all of them."""
    base: str = "sma"
    """Spatial mixer of the blocks at levels 1 and 2 and in refinement."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "depths", tuple(self.depths))
        if len(self.depths) != 4 or min(self.depths) < 0:
            raise ValueError(f"depths must be four counts [L1, L2, L3, L4], got {self.depths}")
        if self.width < 1 or self.in_channels < 1:
            raise ValueError(
                f"width and in_channels must be positive, got {self.width}, {self.in_channels}"
            )
        for field, allowed in CHOICES.items():
            if getattr(self, field) not in allowed:
                raise ValueError(
                    f"{field} must be one of {', '.join(allowed)}, got {getattr(self, field)!r}"
                )
        if self.mixer == "lkfm":
            self._check_cascade()

    def _check_cascade(self) -> None:
        if self.segments < 2 or (4 * self.width) % 2 ** (self.segments - 2):
            raise ValueError(
                f"segments must be 2 or more, and 2^(segments - 2) must divide {4 * self.width}, "
                f"got {self.segments}"
            )
        if any(k % 2 == 0 or not 1 <= k <= 127 for k in self.kernel_sizes()):
            raise ValueError(
                f"every large kernel must be odd and within 1..127, got {self.kernel_sizes()}"
            )

    @classmethod
    def variant(cls, name: str, channels: int = 3, **overrides) -> Config:
        """The paper's variant T, S or B for images of so many channels, with fields replaced."""
        if name not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {name!r}")
        depths, width = VARIANTS[name]
        return cls(**{"depths": depths, "width": width, "in_channels": channels, **overrides})

    def variant_name(self) -> str:
        """The name of the variant with these depths and this width; "custom" if there is none."""
        for name, (depths, width) in VARIANTS.items():
            if (depths, width) == (self.depths, self.width):
                return name
        return "custom"

    def is_papers(self) -> bool:
        """Whether the network has the paper's blocks, in any number, width and kernel size."""
        blocks = Config(
            self.depths, self.width, self.in_channels, self.segments, self.largest_kernel
        )
        return self == blocks

    def kernel_sizes(self) -> tuple[int, ...]:
        """K_i = floor(K / 2^(N-1-i)) for i = 1 .. N-1: (15, 31, 63) by default."""
        last = self.segments - 1
        return tuple(self.largest_kernel >> (last - i) for i in range(1, last + 1))
