"""Published data sets of photographs in their own folders."""

import logging

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from artir_train import evaluate, record, sources, train  # noqa: E402
from artir_train import published_data as data  # noqa: E402

pytestmark = pytest.mark.torch
SIZE = (40, 60)


@pytest.fixture
def put(tmp_path):
    """Writes images of one grey each, by path."""

    def put(level, *names, size=SIZE):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((*size, 3), level, np.uint8)).save(path)

    return put


def pairs(folder, name):
    """Task, degraded, clear and split of all pairs of a data set, as text."""
    found = data.find(folder, data.DATA_SETS[name])
    return {
        (
            p.task,
            p.degraded and p.degraded.relative_to(folder).as_posix(),
            p.clear.relative_to(folder).as_posix(),
            p.test,
        )
        for p in found
    }


LAYOUTS = """
haze OTS_ALPHA/ haze/OTS/0005_0.8_0.04.jpg clear/clear_images/0005.jpg
haze OTS/ haze/part1/0005_0.8_0.04.jpg clear/clear/0005.jpg
haze RESIDE/OTS/ hazy/part2/7_1_0.2.jpg gt/7.jpg
haze ITS/train/ ITS_haze/1_10_0.98796.png ITS_clear/1.png
haze SOTS/indoor/nyuhaze500/ hazy/1400_1.png gt/1400.png test
haze RESIDE/SOTS/outdoor/ hazy/0001_0.8_0.2.jpg gt/0001.png test
rain rain_data_train_Light/ rain/norain-1x2.png norain/norain-1.png
rain rain_data_test_Light/ rain/X2/norain-001x2.png norain/norain-001.png test
rain RainTrainL/ rain-12.png norain-12.png
rain Rain100L/ rain-001.png norain-001.png test
rain Rain100L/train/ rainy/rain-7.png gt/norain-7.png
motion GOPRO_Large/train/GOPR0372_07_00/ blur/000047.png sharp/000047.png
motion GoPro/test/ input/a-1.png target/a-1.png test
low LOLdataset/our485/ low/2.png high/2.png
low LOLv1/eval15/ low/1.png high/1.png test
low eval15/ low/1.png high/1.png test
noise exploration_database_and_code/ - pristine_images/00001.bmp
noise BSR/BSDS500/data/ - images/train/100075.jpg
noise BSR/BSDS500/data/ - images/val/101085.jpg test
noise CBSD68/ - original_png/0000.png test
snow Snow100K-training/all/ synthetic/a_contest_1.jpg gt/a_contest_1.jpg
snow Snow100K-testset/jdway/GameSSD/overlapping/test/Snow100K-L/ synthetic/b.jpg gt/b.jpg test
low_haze_rain CDD-11_train/ low_haze_rain/00003.png clear/00003.png
haze_snow CDD-11_test/ haze_snow/1.png clear/1.png test
haze UHD-Haze/training_set/ input/1_2.jpg gt/1_2.jpg
motion UHD_Blur/testing_set/ input/9.png gt/9.png test
"""
"""Task, folder, degraded image, reference, and whether it is a test image."""


@pytest.mark.parametrize("line", LAYOUTS.strip().splitlines())
def test_each_layout_is_paired_and_split(line, put, tmp_path):
    task, folder, degraded, clear, *test = line.split()
    degraded = None if degraded == "-" else folder + degraded
    put(10, *filter(None, (degraded, folder + clear)))
    names = {"CDD": "rgb-cdd", "Snow": "rgb-snow", "UHD-": "uhd-haze", "UHD_": "uhd-blur"}
    name = next((names[start] for start in names if folder.startswith(start)), "rgb-aio")
    assert pairs(tmp_path, name) == {(task, degraded, folder + clear, bool(test))}


def test_what_lies_beside_the_images_is_left_alone(put, tmp_path):
    put(10, "GOPRO_Large/train/A/blur/1.png", "GOPRO_Large/train/A/blur_gamma/1.png")
    put(90, "GOPRO_Large/train/A/sharp/1.png", "elsewhere/low/1.png", "Snow100K/gt/1.png")
    put(10, "RainTrainL/rainstreak-1.png", "CBSD68/noisy25/0000.png", "ITS/trans/1_1.png")
    (tmp_path / "GOPRO_Large" / "train" / "A" / "frames.txt").write_text("1")
    assert {task for task, *_ in pairs(tmp_path, "rgb-aio")} == {"motion"}
    assert len(pairs(tmp_path, "rgb-aio")) == 1


def test_an_image_without_its_reference_is_refused_by_name(put, tmp_path):
    put(10, "LOLdataset/our485/low/2.png", "LOLdataset/our485/low/5.png")
    put(90, "LOLdataset/our485/high/2.png")
    with pytest.raises(ValueError, match=r"our485/low/5\.png has no reference. LOL is expected as"):
        data.find(tmp_path, (data.LOL,))


def test_folders_without_data_sets_are_refused_with_what_is_expected(put, tmp_path, caplog):
    with pytest.raises(ValueError, match="is not a folder"):
        data.find(tmp_path / "none", (data.LOL,))
    with pytest.raises(ValueError, match=r"none of the data sets CDD-11 \(CDD-11_train/low_haze"):
        data.find(tmp_path, (data.CDD11,))
    put(10, "our485/low/2.png", "our485/high/2.png")
    with caplog.at_level(logging.WARNING):
        assert len(data.find(tmp_path, (data.LOL, data.GOPRO))) == 1
    assert "lacks GoPro (GOPRO_Large/train" in caplog.text


def aio(put):
    """All five tasks of Table 5: degraded images are 20, references 100 to 200."""
    put(20, *(f"OTS/haze/{i}_0.8_0.{j}.jpg" for i in range(8) for j in (1, 2)))
    put(100, *(f"OTS/clear/{i}.jpg" for i in range(8)))
    put(20, "SOTS/outdoor/hazy/0001_0.8_0.2.jpg", "SOTS/indoor/hazy/1400_1.png")
    # References of SOTS indoor have borders that the hazy images lack.
    put(240, "SOTS/outdoor/gt/0001.png")
    put(240, "SOTS/indoor/gt/1400.png", size=(60, 80))
    put(20, *(f"RainTrainL/rain-{i}.png" for i in range(9)))
    put(120, *(f"RainTrainL/norain-{i}.png" for i in range(9)))
    put(140, "BSD400/a.jpg", "WED/pristine_images/b.bmp")
    put(240, "CBSD68/c.png")
    put(20, "GOPRO_Large/train/A/blur/1.png", "GOPRO_Large/test/B/blur/1.png")
    put(160, "GOPRO_Large/train/A/sharp/1.png")
    put(240, "GOPRO_Large/test/B/sharp/1.png")
    put(20, "LOLdataset/our485/low/1.png", "LOLdataset/eval15/low/1.png")
    put(180, "LOLdataset/our485/high/1.png")
    put(240, "LOLdataset/eval15/high/1.png")


def test_all_tasks_are_drawn_equally_often_and_tests_are_held_out(put, tmp_path):
    aio(put)
    source = sources.source("rgb-aio", tmp_path / "cache", 0, tmp_path)
    seen = []
    for _ in range(300):
        degraded, clear = source.batch(1, 32)
        assert degraded.shape == clear.shape == (1, 3, 32, 32)
        seen.append(round(float(clear.mean()) * 255))
        assert seen[-1] == 140 or round(float(degraded.mean()) * 255) == 20
    assert set(seen) == {100, 120, 140, 160, 180}
    assert all(0.12 < seen.count(level) / 300 < 0.28 for level in set(seen))
    degraded, clear = source.validation()
    levels = [round(float(image.mean()) * 255) for image in clear]
    by_task = dict(zip(source.groups, levels, strict=True))
    # RainTrainL has no test split: four of its own are held out, and no longer trained on.
    assert source.groups.count("rain") == 4 and len(source.training["rain"]) == 5
    assert by_task == {"haze": 240, "rain": 120, "noise": 240, "motion": 240, "low": 240}
    assert degraded.shape == clear.shape == (len(levels), 3, 256, 256)
    assert torch.equal(source.validation()[0], degraded)


def test_a_reference_that_is_held_out_is_not_trained_on_in_another_haze(put, tmp_path):
    put(20, *(f"OTS/haze/{i}_0.8_0.{j}.jpg" for i in range(8) for j in (1, 2)))
    put(100, *(f"OTS/clear/{i}.jpg" for i in range(8)))
    source = data.PublishedPatches("rgb-aio", tmp_path)
    held_out = {pair.clear for pair in source.held_out["haze"]}
    assert held_out and not held_out & {pair.clear for pair in source.training["haze"]}


def test_images_of_other_sizes_than_their_references_are_refused(put, tmp_path):
    put(20, "our485/low/1.png")
    put(90, "our485/high/1.png", size=(41, 60))
    (pair,) = data.find(tmp_path, (data.LOL,))
    with pytest.raises(ValueError, match=r"low/1\.png has 40 x 60 pixels, and its reference"):
        pair.read()


def test_a_file_that_is_no_image_is_refused_by_name(put, tmp_path):
    put(20, "our485/low/1.png", "our485/high/1.png")
    (tmp_path / "our485" / "low" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (pair,) = data.find(tmp_path, (data.LOL,))
    with pytest.raises(ValueError, match=r"low/1\.png cannot be read"):
        pair.read()


def test_sources_by_name(tmp_path, put):
    put(20, "CBSD68/a.png")
    with pytest.raises(ValueError, match="has only test images"):
        sources.source("rgb-aio", tmp_path, 0, tmp_path)
    with pytest.raises(ValueError, match="'ct' is not read from a folder of published data sets"):
        sources.source("ct", tmp_path, 0, tmp_path)
    with pytest.raises(ValueError, match=r"'uhd-haze' needs a folder with UHD-Haze \(--data\)"):
        sources.source("uhd-haze", tmp_path, 0)
    with pytest.raises(ValueError, match="there is no data 'aio'; there are ct, "):
        sources.source("aio", tmp_path, 0)


def test_a_hash_of_many_files_depends_on_names_and_sizes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"1")
    files = [tmp_path / "a", tmp_path / "b"]
    first = record.listing_hash(files)
    assert record.listing_hash(files[:1]) != first
    (tmp_path / "b").write_bytes(b"12")
    assert record.listing_hash(files) != first


def test_training_and_measuring_on_published_data(put, tmp_path, monkeypatch, capsys):
    put(20, *(f"our485/low/{i}.png" for i in range(3)), "eval15/low/1.png")
    put(180, *(f"our485/high/{i}.png" for i in range(3)), "eval15/high/1.png")
    config = tmp_path / "tiny.toml"
    base = data.Path(train.__file__).parents[1] / "configs" / "rgb-aio-t.toml"
    config.write_text(f'base = "{base}"\npatch = 32\n[network]\nwidth = 4\nlargest_kernel = 15\n')
    arguments = ["artir-train", "--config", str(config), "--data", str(tmp_path), "--steps", "2"]
    arguments += ["--runs", str(tmp_path / "runs"), "--threads", "1"]
    # Nothing else is read.
    monkeypatch.setenv("ARTIR_REAL_DATA", str(tmp_path / "none"))
    monkeypatch.setattr("sys.argv", arguments)
    train.main()
    assert "steps 2 " in capsys.readouterr().out
    checkpoint = tmp_path / "runs" / "tiny" / "checkpoint.pt"
    monkeypatch.setattr("sys.argv", ["artir-evaluate", str(checkpoint), "--data", str(tmp_path)])
    evaluate.main()
    assert "  low, 1 images: 4.05 -> " in capsys.readouterr().out
    arguments[4] = str(tmp_path / "none")
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit, match="tiny.toml: .*none is not a folder"):
        train.main()
