"""The engine that serves a bundle: sessions, micro-batchers, admission, image codecs.

Knows the bundle, numpy and ONNX Runtime, and nothing of web frameworks. Import from its modules;
importing the package itself loads none of them.
"""
