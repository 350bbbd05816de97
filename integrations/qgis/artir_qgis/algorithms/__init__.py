"""The algorithms of the provider."""

from .compare import CompareRasters
from .dehaze import DehazeRaster
from .describe import DescribeRaster
from .install import InstallArtir
from .metrics import MeasureRasters
from .photographs import RestorePhotographs
from .preview import PreviewExtent
from .product import DehazeProduct

ALL = (
    DehazeRaster,
    DehazeProduct,
    PreviewExtent,
    DescribeRaster,
    CompareRasters,
    MeasureRasters,
    RestorePhotographs,
    InstallArtir,
)
