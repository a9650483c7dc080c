"""Our side of the client's connection: octets in, judged requests out, under uvicorn."""
