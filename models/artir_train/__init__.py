"""Training, counting and export of the ArtIR image restoration network.

``card``, ``config``, ``count``, ``lpips_network``, ``macs``, ``model_file`` and ``onnx_ops`` work
without PyTorch.
"""
