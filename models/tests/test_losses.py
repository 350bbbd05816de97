"""The losses, on images whose errors are known."""

import pytest

torch = pytest.importorskip("torch")

from artir_train import losses  # noqa: E402

pytestmark = pytest.mark.torch


def test_errors_count_more_where_the_target_is_bright():
    target = torch.zeros(1, 1, 8, 8)
    target[..., :4] = 2.0
    dark, bright = target.clone(), target.clone()
    dark[..., 4:] += 0.1
    bright[..., :4] += 0.1
    assert losses.dual_domain(dark, target, dark, fourier=0, bright=2.5) == pytest.approx(
        0.05, rel=1e-4
    )
    assert losses.dual_domain(bright, target, bright, fourier=0, bright=2.5) == pytest.approx(
        0.3, rel=1e-4
    )
    assert losses.dual_domain(bright, target, bright, fourier=0) == pytest.approx(0.05, rel=1e-4)


def test_a_halved_error_earns_the_same_in_every_scene_that_is_not_good_enough():
    target = torch.zeros(2, 3, 16, 16)
    far, near = torch.tensor([0.4, 0.1])[:, None, None, None], 0.5
    whole = losses.psnr(target + far, target, target)
    # 6 dB in both scenes are 0.6 in the mean logarithm; in one of the two, 0.3.
    assert (whole - losses.psnr(target + far * near, target, target)).item() == pytest.approx(
        0.6, 0.03
    )
    one = far * torch.tensor([1.0, near])[:, None, None, None]
    assert (whole - losses.psnr(target + one, target, target)).item() == pytest.approx(0.3, 0.05)
    assert losses.psnr(target, target, target).item() == pytest.approx(-4.0)
    assert losses.psnr(target, target, target, enough=1e-5).item() == pytest.approx(-5.0)


def test_only_changes_for_the_worse_cost_extra():
    target = torch.zeros(1, 3, 64, 64)
    given = torch.full_like(target, 0.2)
    assert losses.worse(given * 0.5, target, given) == 0
    assert losses.worse(given * 1.5, target, given).item() == pytest.approx(0.1, rel=1e-3)
    half = given.clone()
    half[..., :32] *= 2
    half[..., 32:] = 0
    assert losses.worse(half, target, given).item() == pytest.approx(0.1, rel=1e-3)


def test_a_bias_of_regions_costs_and_noise_without_bias_does_not():
    target = torch.ones(1, 1, 16, 16)
    target[..., 8:] = 3.0
    noise = torch.ones(16, 16)
    noise[::2, ::2] = noise[1::2, 1::2] = -1.0
    assert losses.regional(target + noise, target, target, pixels=4).item() == pytest.approx(0)
    assert losses.regional(target + 0.1, target, target, pixels=4).item() == pytest.approx(0.1)
    # Squares of 4 pixels every 2: three whole ones left of the edge, three right, one across.
    expected = 0.1 * (1 + 2.0 * (3 * 1 + 2 + 3 * 3) / 7)
    assert losses.regional(
        target + 0.1, target, target, pixels=4, bright=2.0
    ).item() == pytest.approx(expected, rel=1e-5)


def test_peaks_are_found_again_nearby_and_only_where_the_target_has_them():
    target = torch.ones(1, 1, 32, 32)
    target[0, 0, 8, 8], target[0, 0, 20, 22], target[0, 0, 9, 10] = 6.0, 8.0, 5.0
    result = torch.ones_like(target)
    # One has moved by a pixel and lost half, one is whole; a peak of the result's own is none.
    result[0, 0, 8, 9], result[0, 0, 20, 22], result[0, 0, 28, 4] = 3.0, 8.0, 9.0
    shares, contrast = losses.peak_shares(result, target, 4.0)
    assert shares.tolist() == [0.5, 1.0]
    # Surroundings of 81 pixels: one spot is by another's flank, one alone.
    assert contrast.tolist() == pytest.approx([1 - 90 / 81 / 6, 1 - 88 / 81 / 8], abs=1e-6)
    assert len(losses.peak_shares(result, target, 9.0)[0]) == 0


def test_a_hot_spot_that_loses_its_peak_costs_by_its_contrast():
    target = torch.ones(1, 1, 32, 32)
    target[0, 0, 16, 16] = 8.0
    result = torch.ones_like(target)
    result[0, 0, 16, 16] = 4.0
    contrast = 1 - 88 / 81 / 8
    lost = losses.peaks(result, target, result, least=4.0)
    assert lost.item() == pytest.approx(contrast * 0.25, rel=1e-4)
    assert losses.peaks(result, target, result, least=4.0, aim=0.5).item() == pytest.approx(0)
    assert losses.peaks(result, target, result, least=9.0).item() == 0


def test_lost_contrast_costs_by_groups_and_noise_without_bias_does_not():
    drawn = torch.zeros(1, 1, 32, 32)
    drawn[..., 4:8, 4:8], drawn[..., 4:8, 20:24], drawn[..., 20:24, 4:8] = 0.01, -0.01, 0.08
    target = torch.rand(1, 1, 32, 32) + drawn

    def cost(result, **which):
        return losses.contrast(result, target, target, drawn, faint=0.02, **which).item()

    noise = torch.ones(32, 32)
    noise[::2, ::2] = noise[1::2, 1::2] = -1.0
    assert cost(target) == 0
    assert cost(target + 0.01 * noise) == pytest.approx(0, abs=1e-6)
    # A shift of all pixels makes bright lesions stronger and dark ones weaker by as much.
    assert cost(target + 0.001) == pytest.approx((0.001 / 0.08) ** 2, rel=1e-2)
    faint, strong = drawn.abs() < 0.05, drawn.abs() > 0.05
    assert cost(target - 0.4 * drawn * faint) == pytest.approx(0.4**2, rel=1e-3)
    assert cost(target - 0.4 * drawn) == pytest.approx(2 * 0.4**2, rel=1e-3)
    # What strong ones gain does not make up for what faint ones lose.
    mixed = target + 0.4 * drawn * strong - 0.4 * drawn * faint
    assert cost(mixed) == pytest.approx(2 * 0.4**2, rel=1e-3)
    assert losses.contrast(target, target, target, 0 * drawn, faint=0.02).item() == 0
    named = {"contrast": {"weight": 3.0, "faint": 0.02}}
    whole = losses.total(named, target - 0.4 * drawn, target, target, drawn)
    assert whole.item() == pytest.approx(6 * 0.4**2, rel=1e-3)


def test_the_total_is_the_weighted_sum_of_the_losses_that_are_named():
    target = torch.zeros(1, 3, 64, 64)
    given, result = target + 0.2, target + 0.3
    made = losses.total(
        {"dual_domain": {"weight": 2.0, "fourier": 0.0}, "worse": {"weight": 3.0}},
        result,
        target,
        given,
    )
    assert made.item() == pytest.approx(2 * 0.3 + 3 * 0.1, rel=1e-4)


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({}, "no loss"),
        ({"sharpness": {"weight": 1}}, "no loss 'sharpness'; there are dual_domain, psnr"),
        ({"worse": {}}, "worse needs weight"),
        ({"dual_domain": {"weight": 1}}, "dual_domain needs fourier"),
        ({"psnr": {"weight": 1, "window": 3}}, "psnr has no option window; it has weight, enough"),
    ],
)
def test_losses_that_do_not_exist_or_fit_are_refused(named, reason):
    with pytest.raises(ValueError, match=reason):
        losses.check(named)
