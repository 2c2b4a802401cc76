"""How tests reach the node."""

from http.client import HTTPConnection
from typing import Any

from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse


class KeptConnection(JSONBaseProvider):
    """JSON-RPC over one open connection: these tests make thousands of requests."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        self._connection = HTTPConnection(uri.removeprefix("http://"))

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return self.decode_rpc_response(self._connection.getresponse().read())
