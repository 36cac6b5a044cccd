"""gRPC C-core with its xDS client: for every line on stdin calls the target once, and prints the reply or "!CODE"."""
import sys

import grpc


def main() -> None:
    with grpc.insecure_channel(sys.argv[1]) as channel:
        call = channel.unary_unary("/test.Echo/Name", lambda request: request, lambda reply: reply.decode())
        for _ in sys.stdin:
            try:
                print(call(b"", timeout=2), flush=True)
            except grpc.RpcError as error:
                print("!" + error.code().name, error.details(), flush=True)


main()
