"""Training: data sets, models, objective, trainer. Knows the bundle's words and torch.

Knows nothing of what runs its result: no ONNX Runtime, no engine, no service.
"""
