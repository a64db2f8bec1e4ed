"""A front of a BuildGrid server: the HTTP form of the remote cache in front of its gRPC form. Run by its Python.

`python buildgrid_front.py PORT SERVER` prints a line when it listens. BuildGrid parses each entry and encodes it
anew, checks the digest of each blob, and wants to know the size of a blob, which HTTP does not say: those that were
put are remembered.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc  # type: ignore[import-not-found, import-untyped, unused-ignore]
from buildgrid._protos.build.bazel.remote.execution.v2 import (  # type: ignore[import-not-found]
    remote_execution_pb2 as messages,
)
from buildgrid._protos.build.bazel.remote.execution.v2 import (
    remote_execution_pb2_grpc as services,
)

SIZES: dict[str, int] = {}
CHANNEL = grpc.insecure_channel(sys.argv[2])
ENTRIES = services.ActionCacheStub(CHANNEL)
BLOBS = services.ContentAddressableStorageStub(CHANNEL)


class Front(BaseHTTPRequestHandler):
    """Passes requests on."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Return a status and a body."""
        kind, _, name = self.path.strip("/").partition("/")
        # any size does, as long as it is always the same one
        key = messages.Digest(hash=name, size_bytes=142)
        digest = messages.Digest(hash=name, size_bytes=len(body) if self.command == "PUT" else SIZES.get(name, 0))
        try:
            if kind == "ac" and self.command == "PUT":
                result = messages.ActionResult.FromString(body)
                ENTRIES.UpdateActionResult(
                    messages.UpdateActionResultRequest(action_digest=key, action_result=result)
                )
                return 200, b""
            if kind == "ac":
                found = ENTRIES.GetActionResult(messages.GetActionResultRequest(action_digest=key))
                return 200, found.SerializeToString()
            if self.command == "PUT":
                one = messages.BatchUpdateBlobsRequest.Request(digest=digest, data=body)
                done = BLOBS.BatchUpdateBlobs(messages.BatchUpdateBlobsRequest(requests=[one])).responses[0]
                SIZES[name] = len(body)
                return (400 if done.status.code else 200), done.status.message.encode()
            read = BLOBS.BatchReadBlobs(messages.BatchReadBlobsRequest(digests=[digest])).responses[0]
            return (404, b"") if read.status.code else (200, read.data)
        except grpc.RpcError as error:
            return (404 if error.code() == grpc.StatusCode.NOT_FOUND else 400), str(error.details()).encode()
        except Exception as error:
            return 400, str(error).encode()

    def do_GET(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, reply = self.answer(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply)

    do_HEAD = do_PUT = do_GET  # noqa: N815 (as above)


if __name__ == "__main__":
    SERVER = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Front)
    print("listens", flush=True)
    SERVER.serve_forever()
