"""Training runs: learning, resuming, and what is refused."""

import json

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from artir_train import record  # noqa: E402
from artir_train.batches import Batches  # noqa: E402
from artir_train.export import build  # noqa: E402
from artir_train.settings import OtherSettings, Settings  # noqa: E402
from artir_train.trainer import Trainer, check_resumable, train  # noqa: E402

pytestmark = pytest.mark.torch


class Tiny:
    """A source that needs no data: blurred noise, and noise on it."""

    window = (0.0, 1.0)

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def batch(self, count, size):
        clean = torch.from_numpy(self.rng.random((count, 1, size, size), dtype=np.float32))
        clean = torch.nn.functional.avg_pool2d(clean, 9, 1, 4)
        noise = torch.from_numpy(self.rng.normal(0, 0.1, clean.shape).astype(np.float32))
        return clean + noise, clean

    def validation(self):
        return Tiny(99).batch(2, 32)


def settings(**other):
    given = {
        "data": "haze",
        "variant": "T",
        "channels": 1,
        "range": [0, 1],
        "network_range": [0, 1],
        "patch": 32,
        "batch": 2,
        "learning_rate": 2e-3,
        "seed": 0,
        "losses": {"dual_domain": {"weight": 1, "fourier": 0.1}},
    }
    return Settings(**(given | other))


def trainer(folder):
    return Trainer(settings(), Tiny(), folder)


def test_the_log_begins_anew_with_a_run_and_goes_on_when_it_resumes(tmp_path):
    def steps():
        return [row.split(",")[0] for row in (tmp_path / "log.csv").read_text().split()]

    train(trainer(tmp_path), None, 2)
    train(trainer(tmp_path), None, 1)
    assert steps() == ["1"]
    resumed = trainer(tmp_path)
    resumed.resume()
    train(resumed, None, 3)
    assert steps() == ["1", "3"]


def test_validation_takes_at_most_three_hundredths_of_the_time(tmp_path, monkeypatch):
    class Clock:
        now = 0.0

        @classmethod
        def monotonic(cls):
            return cls.now

    class Fast(Trainer):
        def step(self, progress):
            Clock.now += 1
            self.steps += 1
            return 0.0

        def validate(self):
            Clock.now += 3
            return 0.0, 0.0

    monkeypatch.setattr("artir_train.trainer.time", Clock)
    train(Fast(settings(), Tiny(), tmp_path), None, 250, every=10)
    steps = [int(row.split(",")[0]) for row in (tmp_path / "log.csv").read_text().split()]
    # The first validation takes 3 s, so that the next ones wait for 100.
    assert steps[:3] == [11, 109, 207] and steps[-1] == 250


def test_training_learns_and_resumes_where_it_stopped(tmp_path):
    first = trainer(tmp_path)
    before = np.mean([first.step(0.0) for _ in range(3)])
    for _ in range(30):
        last = first.step(0.0)
    assert last < before
    first.save()
    again = trainer(tmp_path)
    again.resume()
    assert again.steps == first.steps
    assert first.step(0.5) == pytest.approx(again.step(0.5), rel=1e-5)


def test_stages_have_their_own_patches_and_end_with_those_of_the_run(tmp_path):
    stages = [{"until": 0.5, "patch": 16, "batch": 4}]
    run = Trainer(settings(stages=stages), Tiny(), tmp_path)
    shapes = []
    given = run.batches.of
    run.batches.of = lambda *which: [shapes.append(which) or part for part in given(*which)]
    for progress in (0.0, 0.49, 0.5, 1.0):
        run.step(progress)
    assert shapes[::2] == [(0, 4, 16), (1, 4, 16), (2, 2, 32), (3, 2, 32)]
    assert run.patches == 12
    run.save()
    again = Trainer(settings(stages=stages), Tiny(), tmp_path)
    again.resume()
    assert again.patches == 12
    with pytest.raises(OtherSettings, match="stages"):
        trainer(tmp_path).resume()


@pytest.mark.parametrize(
    "stages, reason",
    [
        ([{"until": 0.5, "patch": 16}], "a stage needs until, patch, batch"),
        ([{"until": 1.0, "patch": 16, "batch": 4}], "between 0 and 1"),
        (2 * [{"until": 0.5, "patch": 16, "batch": 4}], "one after the other"),
    ],
)
def test_unusable_stages_are_refused(stages, reason):
    with pytest.raises(ValueError, match=reason):
        settings(stages=stages)


def test_batches_are_the_same_with_any_number_of_workers():
    def first(workers):
        batches = Batches(Tiny(), 0, workers)
        sizes = [(2, 32), (2, 32), (4, 16)]
        return [part for step, size in enumerate(sizes) for part in batches.of(step, *size)]

    for one, other in zip(first(0), first(2), strict=True):
        assert torch.equal(one, other)


def test_a_run_resumes_only_with_its_own_settings(tmp_path):
    trainer(tmp_path).save()
    other = settings(
        learning_rate=1e-3, losses={"dual_domain": {"weight": 1, "fourier": 0.2, "bright": 1}}
    )
    with pytest.raises(OtherSettings) as refused:
        Trainer(other, Tiny(), tmp_path).resume()
    said = str(refused.value)
    assert str(tmp_path / "checkpoint.pt") in said
    assert "learning_rate 0.002, now 0.001" in said
    assert "losses.dual_domain.fourier 0.1, now 0.2" in said
    assert "losses.dual_domain.bright absent, now 1" in said
    with pytest.raises(FileNotFoundError, match="without --resume"):
        check_resumable(tmp_path / "elsewhere", other)


def test_checkpoints_without_named_losses_resume_with_the_same_settings(tmp_path):
    first = trainer(tmp_path)
    first.save()
    state = torch.load(first.checkpoint, weights_only=True)
    old = {key: value for key, value in state["settings"].items() if key != "losses"}
    old |= {"fourier_weight": 0.1, "psnr_weight": 0.02, "worse_weight": 0.0, "bright_weight": 0.0}
    old |= {"peak_weight": 0.3, "peak_least": 4.0, "peak_aim": 1.0}
    torch.save(state | {"settings": old}, first.checkpoint)
    losses = {
        "dual_domain": {"weight": 1.0, "fourier": 0.1},
        "psnr": {"weight": 0.02},
        "peaks": {"weight": 0.3, "least": 4.0},
    }
    check_resumable(tmp_path, settings(losses=losses))
    with pytest.raises(OtherSettings, match="losses.psnr.weight 0.02, now absent"):
        check_resumable(tmp_path, settings())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("data = ", "run.toml: "),
        ('data = "ct"\nbatches = 2', "run.toml: unknown settings: batches"),
        ('data = "ct"', "run.toml: missing settings: "),
    ],
)
def test_unusable_configurations_are_refused_with_their_name(text, reason, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        Settings.read(path)


def test_a_run_records_its_sessions_and_reports_what_changed(tmp_path):
    data = tmp_path / "data" / "train"
    data.mkdir(parents=True)
    (data / "one").write_bytes(b"1")

    def begin(resumed):
        made = record.session(settings(), record.data_hash([data]), first_step=3 * resumed)
        return record.write(tmp_path / "run", settings(), made, resumed)

    assert begin(resumed=False) == []
    assert begin(resumed=True) == []
    (data / "one").rename(data / "two")
    assert begin(resumed=True) == ["data_hash"]
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [session["first_step"] for session in kept["sessions"]] == [0, 3, 3]
    assert kept["settings"]["losses"] == {"dual_domain": {"weight": 1, "fourier": 0.1}}
    first, _, last = kept["sessions"]
    assert first["seed"] == 0 and first["libraries"]["torch"] == torch.__version__.split("+")[0]
    assert first["data_hash"] != last["data_hash"]
    assert begin(resumed=False) == []
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["sessions"]) == 1


def test_a_commit_is_named_only_where_there_is_a_repository(tmp_path):
    assert record.commit(tmp_path) is None


def test_a_run_starts_from_a_model_of_fewer_blocks(tmp_path):
    small = trainer(tmp_path / "small")
    for _ in range(3):
        small.step(0.5)
    (tmp_path / "small.onnx").write_bytes(build(small.average).SerializeToString())
    larger = Trainer(settings(variant="S"), Tiny(), tmp_path / "large")
    larger.start_from(tmp_path / "small.onnx")
    image = Tiny(5).batch(1, 32)[0]
    with torch.no_grad():
        expected, found = small.average(image), larger.average(image)
    assert (expected - image).abs().max() > 1e-4
    assert (found - expected).abs().max() < 1e-5
    larger.step(0.0)
    assert larger.steps == 1
