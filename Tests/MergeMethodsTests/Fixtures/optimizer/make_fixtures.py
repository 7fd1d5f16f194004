"""Makes what torch.save writes of the state of an optimiser, with named parameters and with numbers.

Needs PyTorch 2.6 or newer: python make_fixtures.py
"""

import torch

layer = torch.nn.Linear(3, 2)
for name, parameters in [("named", list(layer.named_parameters())), ("numbered", list(layer.parameters()))]:
    optimizer = torch.optim.AdamW(parameters)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for position, parameter in enumerate(layer.parameters()):
        moments = torch.arange(1, parameter.numel() + 1, dtype=torch.float32).reshape(parameter.shape)
        optimizer.state[parameter]["exp_avg_sq"] = moments * (10**position)
    torch.save(optimizer.state_dict(), f"{name}.pt")
