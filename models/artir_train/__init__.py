"""Training, counting and export of the ArtIR image restoration network.

PyTorch is imported only by the modules that need it: ``card``, ``config``, ``onnx_ops`` and
``fixtures`` work without it.
"""
