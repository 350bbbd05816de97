"""What the checks of GeoTIFF allow, and the faults beside it that they must still find."""

import pytest

from . import metadata
from .tools import judged

CRS = (
    'PROJCRS["x", CONVERSION["{name}, METHOD["Transverse Mercator"], '
    'PARAMETER["k",{k}, SCALEUNIT["unity",1], ID["EPSG",8805]]{code}], CS[Cartesian,2]]'
)


def info(sizes, block=512, size=(934, 723), layout="COG"):
    """gdalinfo of a file of one band."""
    band = {"band": 1, "block": [block, block], "overviews": [{"size": list(s)} for s in sizes]}
    return {
        "size": list(size),
        "driverShortName": "GTiff",
        "metadata": {"IMAGE_STRUCTURE": {"LAYOUT": layout}},
        "bands": [band],
    }


@pytest.mark.parametrize(
    ("before", "after", "fine"),
    [
        (info([(467, 362)]), info([(467, 361)]), True),
        (info([(467, 362)]), info([]), False),
        (info([(467, 362)]), info([(467, 360)]), False),
        (info([(467, 362)]), info([(467, 361), (233, 180)]), False),
        (info([(10, 10)], 16, (20, 20)), info([], 512, (20, 20)), True),
        (info([(10, 10)], 16, (20, 20)), info([], 16, (20, 20)), False),
        (info([(467, 362)], layout=""), info([(467, 361)]), False),
        (info([(467, 362)]), info([(467, 361)], layout=""), False),
    ],
)
def test_overviews_of_a_cog_are_those_of_the_driver(before, after, fine):
    assert metadata.cog_overviews(before, after) == fine


@pytest.mark.parametrize(
    ("was", "now", "layout", "faults"),
    [
        (16, 512, "COG", 0),
        (16, 256, "COG", 1),
        (128, 512, "COG", 1),
        (16, 512, "", 1),
    ],
)
def test_blocks_of_a_cog_change_only_if_the_driver_does_not_make_them(was, now, layout, faults):
    pair = info([], was, layout=layout), info([], now, layout=layout)
    assert len(metadata.layout(*pair)[0]) == faults


def reason(was, now):
    """The reason why one CRS may become another."""
    return metadata.other_words(
        *({"coordinateSystem": {"wkt": CRS.format(**text)}} for text in (was, now))
    )


def test_a_crs_may_get_a_code_of_utm_and_nothing_else():
    plain = {"name": "", "k": "0.9996", "code": ""}
    assert reason(plain, plain | {"code": ', ID["EPSG",16035]'}) == metadata.ADDED_CODE
    assert reason(plain, plain | {"code": ', ID["EPSG",16035]', "k": "0.9997"}) is None
    assert reason(plain, plain | {"code": ', ID["EPSG",19905]'}) is None
    zones = (plain | {"code": f', ID["EPSG",{code}]'} for code in (16034, 16035))
    assert reason(*zones) is None


def test_numbers_of_a_crs_may_differ_in_the_last_digit_that_gdal_writes():
    numbers = ("31.7340969444444", "31.7340969444445", "31.7340969444464")
    first, near, far = ({"name": "", "k": k, "code": ""} for k in numbers)
    assert reason(first, near) == metadata.ROUNDED
    assert reason(first, far) is None


def test_gdalcompare_values_of_several_lines_are_one_difference():
    text = (
        'Metadata value difference for key "{key}"\n'
        '  Golden: "IMAGINE\nCopyright\n@(#) etif.c $"\n'
        '  New:    "artir 0.2.0"\n'
        "Band 1 checksum difference:\n  Golden: 1\n  New:    2\n"
        "Differences Found: 2\n"
    )
    wrong, known = judged(text.format(key="TIFFTAG_SOFTWARE"))
    assert len(wrong) == 1 and "checksum" in wrong[0]
    assert known == ["gdalcompare: the result names the program that wrote it"]
    assert len(judged(text.format(key="TIFFTAG_ARTIST"))[0]) == 2


def test_a_colour_interpretation_may_be_lost_only_where_artir_tells_it():
    text = (
        "Band 1 color interpretation values differ.\n  Golden: Undefined\n  New:    Gray\n"
        "Differences Found: 1\n"
    )
    assert judged(text, "colour interpretation of band 1, metadata of band 2")[0] == []
    for lost in ("", "colour interpretation of band 12", "description of band 1"):
        assert len(judged(text, lost)[0]) == 1, lost
