"""The configuration for NVIDIA Triton, read by Triton's own schema."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as schema


@pytest.mark.parametrize(("model", "channels"), [("ct-ldct-t", 1), ("geo-haze-t", 3)])
def test_triton_can_read_the_configuration(run_artir, tmp_path: Path, model: str, channels: int) -> None:
    library = tmp_path / "libartir_ops.so"
    library.write_bytes(b"")
    done = run_artir("models", "export-triton", model, "-o", tmp_path, "--library", library)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / model
    config = text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())
    assert (config.name, config.platform, config.max_batch_size) == (model, "onnxruntime_onnx", 0)
    for tensor in (*config.input, *config.output):
        assert tensor.data_type == schema.TYPE_FP32
        assert list(tensor.dims) == [-1, channels, -1, -1]
    assert [tensor.name for tensor in config.input] == ["image"]
    assert [tensor.name for tensor in config.output] == ["restored"]
    assert list(config.model_operations.op_library_filename) == [str(library.resolve())]
    assert config.parameters["enable_mem_pattern"].string_value == "0"
    assert (folder / "1/model.onnx").is_file()
