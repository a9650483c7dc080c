"""The verifying half of RFC 7515, 7517, 7518 and 7519, strict and pure."""
