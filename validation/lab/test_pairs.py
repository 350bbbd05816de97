"""Real pairs of both doses: how they are read, measured and trained on."""

import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from artir_train import ct_lesions, ct_pairs_data, real_pairs  # noqa: E402
from artir_train.ct_pairs_data import OWN_SHARE, CtPairPatches, weights  # noqa: E402

from . import pair_ceiling, pair_safety  # noqa: E402
from .evaluate_pairs import STRENGTHS, measure, safety, summary  # noqa: E402

pytestmark = pytest.mark.torch
PATIENTS = ("L096", "L143", "L192", "L286", "L291", "L333")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pairs of six patients: uniform slices with noise, whose mean identifies the patient."""
    monkeypatch.setenv("ARTIR_REAL_DATA", str(tmp_path))
    made = tmp_path / "ct-real-pairs"
    made.mkdir()
    rng = np.random.default_rng(0)
    entries = []
    for number, patient in enumerate(PATIENTS):
        hu = 40 + 10 * number + 10 * rng.standard_normal((512, 512))
        for dose in ("full", "quarter"):
            if dose == "quarter":
                hu = hu + 20 * rng.standard_normal(hu.shape)
            name = f"{dose}_B30_{patient}_000.jp2"
            image = Image.fromarray((hu.round() + 1024).astype(np.uint16))
            image.save(made / name, irreversible=False)
            entries.append(
                {
                    "file": name,
                    "dose": dose,
                    "set": f"{dose}_B30",
                    "patient": patient,
                    "spacing": [0.7, 0.7],
                    "pair": f"{patient}_B30_000",
                }
            )
    entries.append({"file": "fullonly_D45_L067_001.jp2", "dose": "full-only", "patient": "L067"})
    (made / "manifest.json").write_text(json.dumps(entries))
    return made


def test_pairs_are_both_doses_of_one_slice_in_hu(folder):
    pairs = real_pairs.read_pairs()
    assert [(p.patient, p.kernel) for p in pairs] == [(name, "B30") for name in PATIENTS]
    first = pairs[0]
    assert first.full.shape == (512, 512)
    assert first.full.mean() == pytest.approx(40, abs=0.5)
    assert (first.quarter - first.full).std() == pytest.approx(20, rel=0.02)


def test_a_network_that_removes_all_noise_is_best_where_the_reference_has_none_left(folder):
    pairs = real_pairs.read_pairs()[:1]
    found = measure({p.name: 40.0 - p.quarter for p in pairs}, pairs)
    by_strength = dict(zip(STRENGTHS, found["L096_B30_000"][1:], strict=True))
    # The full dose has a fifth of the variance, so a fifth of the noise should stay.
    assert max(by_strength, key=by_strength.get) == 0.8
    assert found["L096_B30_000"][0] < by_strength[0.5]
    lines = summary(found, pairs)
    assert len(lines) == 2 and lines[-1].startswith("B30")
    lines = safety({p.name: 40.0 - p.quarter for p in pairs}, pairs, 1.0)
    line, bias, bias_of_input, neither, not_in_full, of_input, drawn = lines
    assert "noise 0.00" in line
    assert "fluid and muscle -0.0" in bias and "bone +nan" in bias
    assert "fluid and muscle" in bias_of_input
    assert "0.00 over 10 HU" in neither and "0.00 over 10 HU" in not_in_full
    assert "0.00 over 10 HU" not in of_input
    assert drawn.endswith("100% of 60 HU")


def test_a_structure_is_new_only_where_neither_dose_has_it():
    axis = np.arange(256) - 128.0
    y, x = np.meshgrid(axis, axis, indexing="ij")
    noise = np.random.default_rng(0).standard_normal((3, 256, 256))
    full = 40 + 3 * noise[0]
    quarter = full + 6 * noise[1]

    def disc(row, column, contrast):
        return contrast * ((y - row) ** 2 + (x - column) ** 2 < 9)

    known = disc(40, 0, 25) + disc(-40, 30, -25)
    clean = 40 + 0.5 * noise[2]
    counts, area = pair_safety.new_structures(clean + known, quarter + known, full + known)
    assert counts == [0, 0, 0] and area > 50_000
    made_up = clean + known + disc(0, 50, 17) + disc(60, -50, -30)
    counts, _ = pair_safety.new_structures(made_up, quarter + known, full + known)
    assert counts == [2, 2, 1]
    # What only the quarter dose has is new if the full dose alone decides.
    counts, _ = pair_safety.new_structures(clean + known, None, full)
    assert counts == [2, 2, 2]
    assert pair_safety.sensitivity(clean, quarter, full, 40.0) == (30, 30)
    assert pair_safety.sensitivity(clean, quarter, full, 5.0)[0] == 0


def test_bias_is_told_by_tissue_and_noise_as_a_share():
    rng = np.random.default_rng(1)
    full = np.full((256, 256), -100.0)
    full[:, 128:] = 40.0
    noise = 10 * rng.standard_normal(full.shape)
    result = full + 0.5 * noise
    result[:, :128] += 2.0
    bias = pair_safety.tissue_bias(result, full + noise)
    assert bias["fat"] == pytest.approx(2.0, abs=0.3)
    assert bias["fluid and muscle"] == pytest.approx(0.0, abs=0.3)
    assert np.isnan(bias["bone"])
    assert pair_safety.noise_left(result, full + noise) == pytest.approx(0.5, rel=0.05)


@pytest.fixture
def source(folder, monkeypatch):
    """Real pairs alone, as training data."""

    class NoSimulation:
        window = (-160.0, 240.0)

        def __init__(self, *_):
            pass

    monkeypatch.setattr(ct_pairs_data, "CtPatches", NoSimulation)
    source = CtPairPatches(folder)
    source.simulated_share = 0.0
    return source


def test_patients_that_measure_never_train(source, monkeypatch):
    monkeypatch.setattr(ct_lesions, "SHARE", 0.0)
    covariance, levels = [], set()
    for _ in range(60):
        noisy, target, drawn = source.batch(1, 64)
        assert not drawn.any()
        levels.add(round(float(target.mean()), -1))
        covariance.append(float(((noisy - noisy.mean()) * (target - target.mean())).mean()))
    # L143 has 50, L291 80, L333 90.
    assert levels == {40.0, 60.0, 70.0}
    # The full dose's own variance is 100, a quarter of what is added.
    assert OWN_SHARE == 0.25
    assert abs(np.mean(covariance)) < 15
    noisy, clean = source.validation()
    assert round(float(clean.mean()), -1) == 50


def test_lesions_and_mirrored_noise_leave_the_difference_of_the_doses(source, monkeypatch):
    monkeypatch.setattr(ct_lesions, "SHARE", 1.0)
    alone, mixed = [], []
    for share, found in ((0.0, alone), (1.0, mixed)):
        monkeypatch.setattr(ct_pairs_data, "MIRRORED_SHARE", share)
        for _ in range(40):
            noisy, target, drawn = source.batch(1, 64)
            assert 1 < float(drawn.abs().max()) < 130
            # Lesions are in both, so what differs is the noise, of 20 HU times 0.6 to 1.2 and more.
            added = noisy - target
            found.append(float(added.std()))
            assert abs(float((added * drawn).mean())) < 0.2 * float(added.std() * drawn.std()) + 1
    assert 15 < min(alone) and max(alone) < 32
    assert np.mean(mixed) == pytest.approx(np.mean(alone), rel=0.06)


def test_kernels_weigh_the_same_and_in_a_kernel_its_patients():
    def pair(kernel, patient):
        return real_pairs.Pair("", kernel, patient, 0.7, np.zeros(0), np.zeros(0))

    pairs = [pair("B30", "A")] * 3 + [pair("D45", "A")] + [pair("D45", "B")] * 4
    expected = [1 / 6] * 3 + [1 / 4] + [1 / 16] * 4
    assert weights(pairs) == pytest.approx(expected)


def test_no_result_is_more_than_6_db_above_a_quarter_dose():
    """Of even slices the best result is known: what is measured must be what follows from it."""
    rng = np.random.default_rng(1)
    own, added = 10 * rng.standard_normal((2, 256, 256)) * [[[1]], [[3**0.5]]]
    pair = real_pairs.Pair("even", "B30", "L000", 0.7, 40 + own + added, 40 + own)
    given, made, best = pair_ceiling.ceiling(pair, np.full((256, 256), 40.0))
    assert made == pytest.approx(given, abs=0.1)
    assert best - given == pytest.approx(6.02, abs=0.1)
    kept = [real_pairs.psnr(40 + share * (own + added), pair.full) for share in (0, 0.25, 0.5)]
    assert kept[1] == pytest.approx(best, abs=0.1) and kept[1] > max(kept[0], kept[2]) + 0.5
    (line,) = pair_ceiling.summary([pair], lambda full: np.full_like(full, 40))
    assert f"{best:.2f}" in line and "  1 pairs" in line
