"""llama.cpp's own server around a GGUF file: ``python -m tests.remote.llama_cpp FILE PORT``."""

import sys
import time

import xllamacpp


def main(file: str, port: int) -> None:
    """Serve until the process is killed."""
    chosen = xllamacpp.CommonParams()
    chosen.model.path = file
    chosen.port = port
    chosen.n_ctx = 4096
    chosen.n_parallel = 2
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(chosen)
    print(server.listening_address, flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
