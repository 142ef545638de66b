"""The load test: simulated clients that look at every answer, and the report about them.

Knows the wire and nothing of the server's code, so that it can be pointed at any deployment.
"""
