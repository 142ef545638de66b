"""The Open Inference Protocol (KServe v2): one core, and two thin transports over it.

models, tensors → infer → engine;  rest (HTTP, /v2) and servicer (gRPC) only translate
"""
