"""Networks for tests."""

import torch

from artir_train.network import ArtIR


def randomised(config, seed=0):
    """A network none of whose parts does nothing."""
    torch.manual_seed(seed)
    model = ArtIR(config)
    for name, parameter in model.named_parameters():
        if name.endswith(("beta", "gamma")):
            parameter.data.uniform_(0.3, 1)
        else:
            parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model
