"""Envoy's external authorization over gRPC: `envoy.service.auth.v3.Authorization/Check`, answered by the same fronts as everything else.

`ExtAuthz` in `service.py` is the server; what it needs besides the gateway (grpcio, protobuf) is the extra `grpc`.
"""
