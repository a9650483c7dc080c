"""The demo: a local user pool, a sample application and the gateway in front of it, in one process on loopback, with a page to look at.

Started by `cognito-guard demo`. Nothing here is part of what protects anything.
"""
