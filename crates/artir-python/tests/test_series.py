"""Series in arrays and in derived series."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import artir
import numpy as np
import pytest
from ct_files import phantom, write_ct


def test_a_series_is_read_in_hu(ct_folder: Path) -> None:
    series = artir.read_ct(ct_folder)
    assert np.array_equal(series.values, phantom()) and series.values.dtype == np.float32
    assert series.unit == "HU" and series.spacing == (2.5, 0.7, 0.7)
    assert series.positions.tolist() == [0.0, 2.5]
    assert series.mask.shape == series.values.shape and series.mask.dtype == bool and not series.mask.any()
    assert [Path(f).name for f in series.files] == ["0.dcm", "1.dcm"]
    assert artir.read_ct(ct_folder / "1.dcm").values.shape == (1, 96, 96)


def test_padding_is_masked_and_kept(tmp_path: Path, ct_model: artir.Model) -> None:
    import pydicom

    write_ct(tmp_path / "study", phantom(1))
    file = tmp_path / "study" / "0.dcm"
    slice_ = pydicom.dcmread(file)
    stored = slice_.pixel_array.copy()
    stored[:9] = 4000
    slice_.PixelData = stored.tobytes()
    slice_.add_new("PixelPaddingValue", "US", 4000)
    slice_.save_as(file)
    series = artir.read_ct(file)
    assert series.mask[0, :9].all() and not series.mask[0, 9:].any()
    restored = ct_model.restore(series.values, mask=series.mask)
    assert np.array_equal(restored[series.mask], series.values[series.mask])
    (written,) = artir.restore_series(file, tmp_path / "out", ct_model)
    derived = pydicom.dcmread(Path(written.folder) / "0001.dcm").pixel_array
    assert np.array_equal(derived[:9], stored[:9]) and not np.array_equal(derived[9:], stored[9:])


def test_names_that_are_not_unicode_come_back_as_python_has_them(ct_folder: Path, tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/st\xfcdy")
    ct_folder.rename(folder)
    series = artir.read_ct(folder)
    assert [os.path.dirname(file) for file in series.files] == [folder] * 2
    assert artir.read_ct(series.files[0]).values.shape == (1, 96, 96)
    with pytest.raises(artir.InputError) as caught:
        artir.read_ct(os.path.join(folder, "missing"))
    assert caught.value.file == os.path.join(folder, "missing")


def test_reading_refuses_what_is_no_series(ct_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(artir.InputError):
        artir.read_ct(tmp_path / "missing")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("nothing")
    with pytest.raises(artir.InputError, match="no CT series"):
        artir.read_ct(tmp_path / "text")
    with pytest.raises(artir.InputError, match="no PET series"):
        artir.read_pet(ct_folder)
    for number in (1, -1):
        with pytest.raises(artir.UsageError, match="from 0"):
            artir.read_ct(ct_folder, series=number)
    whole = (ct_folder / "1.dcm").read_bytes()
    (ct_folder / "1.dcm").write_bytes(whole[:-1000])
    with pytest.raises(artir.InputError) as caught:
        artir.read_ct(ct_folder)
    assert "Phantom" not in str(caught.value)


def test_different_slices_of_one_uid_are_not_read_as_one(ct_folder: Path) -> None:
    import pydicom

    copy = ct_folder / "copy.dcm"
    shutil.copy(ct_folder / "0.dcm", copy)
    assert np.array_equal(artir.read_ct(ct_folder).values, phantom()), "a copy changes nothing"
    slice_ = pydicom.dcmread(copy)
    slice_.PixelData = bytes(len(slice_.PixelData))
    slice_.save_as(copy)
    with pytest.raises(artir.InputError, match="SOPInstanceUID"):
        artir.read_ct(ct_folder)


def test_several_series_must_be_chosen_from(tmp_path: Path) -> None:
    for name, size in [("a", 32), ("b", 48)]:
        write_ct(tmp_path / name, phantom(2, size))
    # One SeriesInstanceUID with two matrix sizes is two series.
    for file in (tmp_path / "b").iterdir():
        file.write_bytes(file.read_bytes().replace(b"8.498.1.", b"8.498.9."))
    with pytest.raises(artir.UsageError, match="2 series"):
        artir.read_ct(tmp_path)
    sizes = {artir.read_ct(tmp_path, series=n).values.shape[-1] for n in (0, 1)}
    assert sizes == {32, 48}


def test_derived_series_have_the_bytes_of_the_command(ct_folder: Path, tmp_path: Path, run_artir) -> None:
    (written,) = artir.restore_series(ct_folder, tmp_path / "api")
    done = run_artir("ct", ct_folder, "-o", tmp_path / "command")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "command" / Path(written.folder).name
    assert written.files == ["0001.dcm", "0002.dcm"] and written.resumed == 0
    for name in written.files:
        assert (folder / name).read_bytes() == (Path(written.folder) / name).read_bytes()


def test_arrays_and_series_agree_to_the_bit(ct_folder: Path, tmp_path: Path, ct_model: artir.Model) -> None:
    series = artir.read_ct(ct_folder)
    restored = ct_model.restore(series.values, mask=series.mask)
    (written,) = artir.restore_series(ct_folder, tmp_path / "out", ct_model)
    derived = artir.read_ct(written.folder)
    # A CT stores whole HU, and halves are rounded up.
    assert np.array_equal(derived.values, np.floor(restored.astype(np.float64) + 0.5))


def test_results_are_not_replaced_unasked(ct_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    artir.restore_series(ct_folder, out, series_description="Restored")
    with pytest.raises(artir.UsageError, match="exists"):
        artir.restore_series(ct_folder, out)
    artir.restore_series(ct_folder, out, overwrite=True)
    (again,) = artir.restore_series(ct_folder, out, resume=True)
    assert again.resumed == 2
    with pytest.raises(artir.UsageError, match="for dehaze"):
        artir.restore_series(ct_folder, tmp_path / "x", "geo-haze-t")
    with pytest.raises(artir.UsageError):
        artir.restore_series(ct_folder, tmp_path / "x", series_description="a\\b")
    for settings in [{"modality": "MR"}, {"units": "Bq"}, {"threads": -1}]:
        with pytest.raises(artir.UsageError):
            artir.restore_series(ct_folder, tmp_path / "x", **settings)
    with pytest.raises(artir.UsageError, match="no input"):
        artir.restore_series([], tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_an_unreadable_slice_keeps_its_series_unless_it_may_be_partial(ct_folder: Path, tmp_path: Path) -> None:
    whole = (ct_folder / "1.dcm").read_bytes()
    (ct_folder / "1.dcm").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(artir.InputError):
        artir.restore_series(ct_folder, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
    with pytest.raises(artir.PartialError) as caught:
        artir.restore_series(ct_folder, tmp_path / "out", allow_partial=True)
    assert [len(one.files) for one in caught.value.written] == [1] and len(caught.value.errors) >= 1


def test_progress_counts_pixels_and_can_stop(ct_folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    artir.restore_series(ct_folder, tmp_path / "a", progress=lambda done, total: seen.append((done, total)))
    assert seen and seen[-1] == (2 * 96 * 96, 2 * 96 * 96)

    def stop(done: int, total: int) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError):
        artir.restore_series(ct_folder, tmp_path / "b", progress=stop)
    shutil.rmtree(tmp_path / "b", ignore_errors=True)
    assert len(artir.restore_series([ct_folder], tmp_path / "b")) == 1


def test_ctrl_c_ends_reading_at_once(ct_folder: Path, tmp_path: Path, monkeypatch, ctrl_c) -> None:
    """A decoder that never answers: without the interruption, reading would end with an error after half a minute."""
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGLSLossless

    for file in ct_folder.iterdir():
        slice_ = pydicom.dcmread(file)
        slice_.file_meta.TransferSyntaxUID = JPEGLSLossless
        slice_.PixelData = encapsulate([b"\xff\xd8" + bytes(100)])
        slice_["PixelData"].VR = "OB"
        slice_.save_as(file)
    decoder = tmp_path / "decoder.py"
    decoder.write_text("import pathlib, sys\npathlib.Path(__file__ + '.started').touch()\nsys.stdin.read()\n")
    monkeypatch.setattr("artir._native.program", lambda: (sys.executable, [str(decoder)]))

    def interrupt_once_it_decodes() -> None:
        while not Path(f"{decoder}.started").exists():
            time.sleep(0.01)
        ctrl_c()

    threading.Thread(target=interrupt_once_it_decodes, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        artir.read_ct(ct_folder)
