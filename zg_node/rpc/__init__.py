"""JSON-RPC over HTTP and WebSocket on one port.

    socket ─▶ connection (HTTP/1.1, upgrade) ─▶ dispatch ─▶ methods/<namespace> ─▶ chain, state, pool, engine
                                                   ├─▶ submit   eth_sendRawTransaction, batched for the pool
                                                   ├─▶ calls    eth_call, batched for the engine
                                                   └─▶ workers  whatever else costs more than a few microseconds

Handlers return encoded JSON bytes: most of it comes encoded from the native core and is never parsed here.
"""
