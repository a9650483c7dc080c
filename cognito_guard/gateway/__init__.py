"""The gateway: a reverse proxy and a decision service in front of applications that cannot be changed.

Started by `cognito-guard proxy`. It stands on the same Guard, routes and rules as the middlewares; what is in here carries requests.
"""
