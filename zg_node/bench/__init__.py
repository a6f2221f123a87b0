"""The load test: signs transactions, sends them through JSON-RPC, counts what blocks and receipts say became final.

    settings ─▶ target ─▶ setup ─▶ workload ─▶ signing ─▶ load ──▶ observer ─▶ measurement ─▶ report, plot
                (server)  (funds,  (calls)     (processes) (sockets) (blocks,    (figures)
                          contracts)                                  receipts)

It is an ordinary client: it knows a node only by its URL, so the same code measures any Ethereum JSON-RPC server.
"""
