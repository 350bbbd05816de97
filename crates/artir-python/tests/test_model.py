"""Restoring arrays."""

from __future__ import annotations

import pickle
import threading
import time

import artir
import numpy as np
import pytest
from ct_files import phantom


def test_shapes_and_types_come_back(ct_model: artir.Model) -> None:
    plane = phantom(1)[0]
    alone = ct_model.restore(plane)
    assert alone.shape == plane.shape and alone.dtype == np.float32
    assert np.abs(alone - plane).max() > 1, "the model changes something"
    assert np.array_equal(ct_model.restore(plane[None, None])[0, 0], alone)
    assert np.array_equal(ct_model.restore(np.asfortranarray(plane)), alone)
    assert np.array_equal(ct_model.restore(plane[::-1])[::-1].shape, alone.shape)
    assert np.array_equal(ct_model.restore(plane.astype(np.int16)), alone)
    assert ct_model.restore(plane.astype(np.int16)).dtype == np.float32
    double = ct_model.restore(plane.astype(np.float64))
    assert double.dtype == np.float64 and np.allclose(double, alone, atol=1e-3)
    assert ct_model.restore(plane.astype(np.float16)).dtype == np.float16
    assert ct_model.restore(plane.tolist()).shape == plane.shape
    for shape in [(0, 8, 8), (0, 8), (8, 0), (1, 1), (3, 5)]:
        assert ct_model.restore(np.zeros(shape, np.float32)).shape == shape
    swapped = ct_model.restore(plane.astype(">f4"))
    assert swapped.dtype == np.dtype(">f4") and np.array_equal(swapped, alone)
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(plane)
    assert np.array_equal(ct_model.restore(matrix), alone)


def test_images_of_a_stack_do_not_influence_each_other(ct_model: artir.Model) -> None:
    stack = phantom(7, 64)
    together = ct_model.restore(stack)
    for image, restored in zip(stack, together, strict=True):
        assert np.array_equal(ct_model.restore(image), restored)
    assert np.array_equal(ct_model.restore(stack, threads=1), together)
    assert np.array_equal(ct_model.restore(stack, threads=5), together)


def test_a_call_has_its_own_settings_whatever_other_threads_keep() -> None:
    class Contended(artir.Model):
        """A model of which another thread keeps a network of its own whenever this thread has kept one."""

        def __setattr__(self, name: str, value: object) -> None:
            other = (("the settings of another thread",), None)
            super().__setattr__(name, other if name == "_kept" and value is not None else value)

    model = Contended("ct-ldct-t", device="cpu")
    plane = phantom(1, 32)[0]
    assert np.array_equal(model.restore(plane, strength=0), plane)
    assert not np.array_equal(model.restore(plane, strength=1), plane)


def test_values_of_0_to_255_are_no_display_values() -> None:
    model = artir.Model("geo-haze-t")
    scene = np.random.default_rng(0).random((3, 40, 40), dtype=np.float32)
    assert model.restore(scene).shape == scene.shape
    for wrong in [scene * 255, (scene * 255).astype(np.uint8)]:
        with pytest.raises(artir.UsageError, match="divide 0 to 255 by 255"):
            model.restore(wrong)
    # Pixels that stay as they are do not count.
    scene[:, :30] = -9999
    mask = np.zeros((40, 40), bool)
    mask[:30] = True
    assert np.array_equal(model.restore(scene, mask=mask)[:, :30], scene[:, :30])


def test_the_input_is_left_as_it_is(ct_model: artir.Model) -> None:
    stack = phantom(2, 64)
    before = stack.copy()
    stack.flags.writeable = False
    restored = ct_model.restore(stack)
    assert np.array_equal(stack, before) and not np.shares_memory(stack, restored)


def test_strength_scales_the_residual_and_0_changes_no_bit(ct_model: artir.Model) -> None:
    plane = phantom(1)[0]
    full, half = ct_model.restore(plane, 1.0), ct_model.restore(plane, 0.5)
    assert np.allclose(half - plane, 0.5 * (full - plane), atol=1e-3)
    assert np.array_equal(ct_model.restore(plane), ct_model.restore(plane, ct_model.card.strength))
    plane[0, :3] = [-0.0, np.nan, np.inf]
    same = ct_model.restore(plane, strength=0)
    assert plane.view(np.uint32).tolist() == same.view(np.uint32).tolist()


def test_nan_and_masked_pixels_are_kept_and_spoil_nothing(ct_model: artir.Model) -> None:
    plane = phantom(1)[0]
    hole = np.zeros(plane.shape, bool)
    hole[40:50, 40:50] = True
    with_nan = np.where(hole, np.nan, plane)
    restored = ct_model.restore(with_nan)
    assert np.isnan(restored[hole]).all() and np.isfinite(restored[~hole]).all()
    # Whatever lies under a mask, the result around it is the same.
    for under in (np.nan, 3000.0, -5e8):
        other = np.where(hole, under, plane).astype(np.float32)
        masked = ct_model.restore(np.ma.MaskedArray(other, mask=hole))
        assert isinstance(masked, np.ma.MaskedArray) and np.array_equal(masked.mask, hole)
        assert np.array_equal(masked.data[~hole], restored[~hole].astype(np.float32))
        given = ct_model.restore(other, mask=hole)
        assert not isinstance(given, np.ma.MaskedArray)
        assert np.array_equal(given[hole], other[hole], equal_nan=True)
        assert np.array_equal(given[~hole], masked.data[~hole])
    # NaN beside a mask, and values that float32 cannot hold.
    both = ct_model.restore(with_nan, mask=plane > 90)
    assert np.isnan(both[hole]).all() and np.array_equal(both[plane > 90], with_nan[plane > 90], equal_nan=True)
    beyond = ct_model.restore(np.where(hole, 1e300, plane.astype(np.float64)))
    assert (beyond[hole] == 1e300).all() and np.allclose(beyond[~hole], restored[~hole])
    stack = np.stack([plane, plane])
    one = np.stack([hole, np.zeros_like(hole)])
    both = ct_model.restore(stack, mask=one)
    assert np.array_equal(both[1], ct_model.restore(plane))
    assert np.array_equal(ct_model.restore(stack, mask=hole)[1], ct_model.restore(plane, mask=hole))


def test_slices_are_seen_with_those_beside_them() -> None:
    model = artir.Model("pet-lowcount-3-t", device="cpu")
    stack = np.random.default_rng(2).gamma(2, 1, (5, 32, 40)).astype(np.float32)
    restored = model.restore(stack)
    assert restored.shape == stack.shape
    for i, (before, after) in enumerate([(1, 1), (0, 2), (1, 3), (2, 4), (3, 3)]):
        assert np.array_equal(model.restore(stack[[before, i, after]])[1], restored[i])
    assert np.array_equal(model.restore(np.stack([stack, stack[::-1]]))[1], model.restore(stack[::-1]))
    # A slice without neighbours stands for them.
    alone = model.restore(stack[2])
    assert alone.shape == (32, 40) and not np.array_equal(alone, restored[2])
    assert np.array_equal(model.restore(stack[2:3])[0], alone)
    assert np.array_equal(model.restore(stack[[2, 2, 2]])[1], alone)
    # What is masked in one slice stays as it is, and reaches none of the others.
    hole = np.zeros(stack.shape, bool)
    hole[2, 4:9] = True
    masked = model.restore(stack, mask=hole)
    assert np.array_equal(masked[hole], stack[hole]) and np.array_equal(masked[[0, 4]], restored[[0, 4]])
    assert np.array_equal(model.restore(np.where(hole, 15, stack), mask=hole)[~hole], masked[~hole])
    assert model.restore(np.zeros((0, 32, 40))).shape == (0, 32, 40)


def test_colours_are_channels_first() -> None:
    model = artir.Model("geo-haze-t", device="cpu")
    rng = np.random.default_rng(1)
    image = rng.uniform(0.2, 0.8, (3, 48, 64)).astype(np.float32)
    restored = model.restore(image)
    assert restored.shape == image.shape
    assert np.array_equal(model.restore(image[None].repeat(2, 0))[1], restored)
    hole = np.zeros((48, 64), bool)
    hole[:8] = True
    kept = model.restore(image, mask=hole)
    assert np.array_equal(kept[:, hole], image[:, hole]) and not np.array_equal(kept, image)
    full = np.broadcast_to(hole, image.shape)
    assert np.array_equal(model.restore(image, mask=full), kept)
    # A pixel with a channel that is NaN is not restored in the others either.
    image[1, 20, 20] = np.nan
    with_nan = model.restore(image)
    assert np.array_equal(with_nan[:, 20, 20], image[:, 20, 20], equal_nan=True)
    assert np.isfinite(with_nan).sum() == image.size - 1


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(4), "shape (4,)"),
        (np.zeros((4, 4), complex), "complex"),
        (np.zeros((4, 4), object), "object"),
        (np.array([["a"]]), "type"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((4, 4), np.longdouble), "64 bits"),
        ([[1, 2], [3]], "cannot be read"),
        (None, "object"),
    ],
)
def test_arrays_that_are_no_images_are_refused(ct_model: artir.Model, array: np.ndarray, words: str) -> None:
    with pytest.raises(artir.UsageError, match="array") as caught:
        ct_model.restore(array)
    assert words in str(caught.value) and caught.value.file is None


def test_wrong_settings_are_refused(ct_model: artir.Model) -> None:
    plane = phantom(1)[0]
    for settings in [
        {"strength": 1.5},
        {"strength": float("nan")},
        {"threads": 100000},
        {"tile": 7, "overlap": 99},
        {"tile": 0},
    ]:
        with pytest.raises(artir.UsageError):
            ct_model.restore(plane, **settings)
    with pytest.raises(artir.UsageError):
        artir.Model("geo-haze-t").restore(plane)
    with pytest.raises(artir.UsageError, match="mask"):
        ct_model.restore(plane, mask=np.zeros((3, 3), bool))
    with pytest.raises(artir.UsageError, match="bool"):
        ct_model.restore(plane, mask=np.zeros(plane.shape))
    with pytest.raises(artir.UsageError, match="no model named"):
        artir.Model("nothing")
    with pytest.raises(artir.UsageError, match="not one of auto"):
        artir.Model("ct-ldct-t", device="tpu").restore(plane)
    with pytest.raises(artir.DeviceError):
        artir.Model("ct-ldct-t", device="cuda:99").restore(plane)
    for name in ("threads", "tile", "overlap"):
        with pytest.raises(artir.UsageError, match=f"{name} is -1"):
            ct_model.restore(plane, **{name: -1})
    for memory in (-1, 1 << 70):
        with pytest.raises(artir.UsageError, match="memory is"):
            artir.Model("ct-ldct-t", memory=memory)


def test_a_damaged_model_names_its_file(tmp_path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"not a model")
    with pytest.raises(artir.InputError) as caught:
        artir.Model(file)
    assert caught.value.file == str(file) and "model" in caught.value.reason


def test_tiles_agree_but_for_their_seams(ct_model: artir.Model) -> None:
    plane = phantom(1, 256)[0]
    tiled = ct_model.restore(plane, tile=128)
    whole = ct_model.restore(plane)
    assert not np.array_equal(tiled, whole)
    assert np.abs(tiled - whole).max() < 25


def test_progress_reaches_its_total_and_may_stop_the_work(ct_model: artir.Model) -> None:
    stack = phantom(6, 96)
    seen: list[tuple[int, int]] = []
    ct_model.restore(stack, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (stack.size, stack.size) and seen == sorted(seen)

    def stop(done: int, total: int) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        ct_model.restore(stack, progress=stop)
    # The model is usable afterwards.
    assert ct_model.restore(stack[0]).shape == stack[0].shape


def test_ctrl_c_ends_a_call_before_its_work_is_done(ct_model: artir.Model, ctrl_c) -> None:
    # More images than the queues hold. This thread hands them over, so that some are left at the first call.
    stack = phantom(60, 64)
    seen: list[int] = []

    def interrupt(done: int, total: int) -> None:
        seen.append(done)
        ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        ct_model.restore(stack, progress=interrupt)
    assert len(seen) == 1 and seen[0] < stack.size
    assert ct_model.restore(stack[0]).shape == stack[0].shape


def test_other_threads_run_meanwhile_and_models_are_shared(ct_model: artir.Model) -> None:
    stack = phantom(4, 96)
    expected = ct_model.restore(stack)
    results: dict[int, np.ndarray] = {}

    def work(n: int) -> None:
        results[n] = ct_model.restore(stack)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    ticks = 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ticks += 1
        time.sleep(0.001)
    assert ticks > 3, "the interpreter's lock is free meanwhile"
    assert len(results) == 3 and all(np.array_equal(r, expected) for r in results.values())


def test_models_and_errors_travel_between_processes(ct_model: artir.Model) -> None:
    again = pickle.loads(pickle.dumps(ct_model))
    plane = phantom(1, 48)[0]
    assert np.array_equal(again.restore(plane), ct_model.restore(plane))
    error = pickle.loads(pickle.dumps(artir.InputError("damaged", "a.dcm")))
    assert (error.reason, error.file, str(error)) == ("damaged", "a.dcm", "a.dcm: damaged")
    partial = pickle.loads(pickle.dumps(artir.PartialError("x", None, [], [error])))
    assert partial.errors[0].file == "a.dcm"


def test_dlpack_goes_in_and_out(ct_model: artir.Model) -> None:
    plane = phantom(1, 48)[0]

    class OnlyDlpack:
        """An array of another library: nothing but DLPack."""

        def __dlpack__(self, **options):
            return plane.__dlpack__(**options)

        def __dlpack_device__(self):
            return plane.__dlpack_device__()

    restored = ct_model.restore(OnlyDlpack())
    assert np.array_equal(restored, ct_model.restore(plane))
    assert np.array_equal(np.from_dlpack(restored), restored)


def test_torch_tensors_go_in_and_out(ct_model: artir.Model) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(phantom(2, 48))
    restored = torch.from_dlpack(ct_model.restore(tensor))
    assert restored.dtype == torch.float32 and restored.shape == tensor.shape
    assert np.array_equal(restored.numpy(), ct_model.restore(tensor.numpy()))
    for refused in (tensor.requires_grad_(), tensor.detach().to(torch.bfloat16), tensor.to("meta")):
        with pytest.raises(artir.UsageError, match="cannot be read"):
            ct_model.restore(refused)


def test_xarray_and_dask_pass_through(ct_model: artir.Model) -> None:
    xarray = pytest.importorskip("xarray")
    da = pytest.importorskip("dask.array")
    stack = phantom(2, 192)
    volume = xarray.DataArray(stack, dims=["z", "y", "x"], coords={"z": [0.0, 2.5]}, attrs={"unit": "HU"})
    core = [["y", "x"]]
    restored = xarray.apply_ufunc(
        ct_model.restore, volume, input_core_dims=core, output_core_dims=core, keep_attrs=True
    )
    assert restored.dims == volume.dims and restored.attrs == {"unit": "HU"}
    assert np.array_equal(restored.values, ct_model.restore(stack))
    lazy = xarray.apply_ufunc(
        ct_model.restore,
        volume.chunk(z=1),
        input_core_dims=core,
        output_core_dims=core,
        dask="parallelized",
        output_dtypes=[np.float32],
    )
    assert np.array_equal(lazy.compute(scheduler="synchronous").values, restored.values)
    # Chunks of whole slices change no bit.
    chunked = da.from_array(stack, chunks=(1, -1, -1)).map_blocks(ct_model.restore, dtype=np.float32)
    assert np.array_equal(chunked.compute(scheduler="synchronous"), restored.values)
    # Chunks of parts of a slice do, by the global mean that a network sees of its tile.
    depth = ct_model.card.overlap
    parts = da.from_array(stack, chunks=(1, 96, 96)).map_overlap(
        ct_model.restore, depth={1: depth, 2: depth}, boundary="none", trim=True, dtype=np.float32
    )
    seams = np.abs(parts.compute(scheduler="synchronous") - restored.values)
    assert seams.max() < 40 and seams.mean() < 4
