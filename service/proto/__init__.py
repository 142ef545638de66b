"""The gRPC services as `.proto` files, and the code that `tests.support.stubs` makes of them."""
