"""What Prometheus sees of a listener."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from tests.rpc.harness import connected, run, serving
from zg_node.rpc.metrics import RpcCollector


def test_requests_and_connections_are_counted() -> None:
    async def main() -> None:
        registry = CollectorRegistry()
        async with serving() as server, connected(server) as client:
            registry.register(RpcCollector(server))
            for _ in range(3):
                await client.call("eth_chainId")
            await client.call("eth_sendRawTransaction", "0x01")
            await client.call("no_such_method")
            text = generate_latest(registry).decode()
            assert 'zg_rpc_requests_total{method="eth_chainId"} 3.0' in text
            assert 'zg_rpc_requests_total{method="eth_sendRawTransaction"} 1.0' in text
            assert "no_such_method" not in text
            assert "zg_rpc_connections 1.0" in text

    run(main())
