"""artir's GeoTIFF output, checked with GDAL's own tools and a second reader."""
